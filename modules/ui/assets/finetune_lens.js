// The training lens: samples exactly as the model will read them, each token by what becomes of it.

import { control } from "./control.js";
import { element, iconButton } from "./dom.js";
import { FormError, button } from "./forms.js";
import { numberText } from "./words.js";

const SHOWN_AT_ONCE = 4;
// Longer samples are shown whole only when that is asked for.
const FIRST_TOKENS = 1500;
const STATES = { t: "trained", m: "masked", x: "truncated", p: "padded" };
const LEGEND = {
  trained: "learned",
  masked: "read, not learned",
  truncated: "cut off",
  padded: "padding",
};

export class Lens {
  constructor({ draft }) {
    this.draft = draft;
    this.first = 0;
    this.total = 0;
    this.error = new FormError();
    this.where = element("span", { class: "fine", role: "status" });
    this.heldOut = element("p", { class: "fine", hidden: true });
    this.back = iconButton("left", "Samples before", () => this.turn(-SHOWN_AT_ONCE));
    this.on = iconButton("right", "Samples after", () => this.turn(SHOWN_AT_ONCE));
    this.list = element("ol", { class: "lens-samples" });
    const legend = Object.entries(LEGEND).map(([state, words]) => element("span", { class: "legend-entry" }, element("span", { class: `lens-token ${state}`, "aria-hidden": "true", text: "token" }), words));
    this.node = element(
      "div",
      { class: "lens" },
      element("div", { class: "lens-head" }, element("h3", { text: "What the model will read" }), this.back, this.where, this.on),
      element("p", { class: "lens-legend" }, ...legend),
      this.heldOut,
      this.error.node,
      this.list,
    );
  }

  // Of another plan; begins with its first samples.
  show({ recipe, held_out: heldOut }) {
    this.recipe = recipe;
    this.heldOut.hidden = !heldOut;
    this.heldOut.textContent = `${numberText(heldOut)} ${heldOut === 1 ? "sample is" : "samples are"} held out to judge by: the model does not learn from ${heldOut === 1 ? "it" : "them"}, and ${heldOut === 1 ? "it is" : "they are"} not shown here.`;
    this.first = 0;
    return this.look();
  }

  turn(by) {
    this.first = Math.max(0, Math.min(this.first + by, this.total - 1));
    return this.look();
  }

  async look() {
    this.asking?.abort();
    this.asking = new AbortController();
    const { signal } = this.asking;
    this.error.clear();
    this.list.classList.add("waiting");
    if (!this.list.children.length) this.where.textContent = "reading the first samples …";
    try {
      const { samples, total } = await control("training/lens", { recipe: this.recipe, first: this.first, count: SHOWN_AT_ONCE }, { signal });
      this.take(samples, total);
    } catch (error) {
      if (error.name === "AbortError") return;
      this.where.textContent = "";
      this.error.show(error);
    } finally {
      if (!signal.aborted) this.list.classList.remove("waiting");
    }
  }

  take(samples, total) {
    this.total = total;
    const last = this.first + samples.length;
    this.where.textContent = total ? `${numberText(this.first + 1)} to ${numberText(last)} of ${numberText(total)}` : "none";
    this.back.disabled = this.first === 0;
    this.on.disabled = last >= total;
    const packs = samples.map((one) => one.pack);
    this.list.replaceChildren(...samples.map((one, place) => sampleView(one, { isNewPack: place === 0 || packs[place - 1] !== one.pack, isShared: packs.filter((pack) => pack === one.pack).length > 1 })));
  }
}

function sampleView({ row, pack, share_trained: share, flags, tokens, hidden_tokens: hidden }, { isNewPack, isShared }) {
  const count = numberText(tokens.length + hidden);
  const text = element("div", { class: "lens-text", dir: "auto", tabIndex: 0, role: "group", "aria-label": `Row ${row}, ${count} tokens, ${Math.round(100 * share)} % learned` });
  const show = (some) => text.replaceChildren(...some.map(tokenView));
  show(tokens.slice(0, FIRST_TOKENS));
  const whole = tokens.length > FIRST_TOKENS ? button(`Show ${hidden ? "the first" : "all"} ${numberText(tokens.length)} tokens`, () => (show(tokens), whole.remove())) : null;
  return element(
    "li",
    { class: `lens-sample ${isNewPack ? "new-pack" : "same-pack"}` },
    isNewPack && isShared ? element("p", { class: "pack-border", text: `Pack ${pack + 1}: these samples are read together, and none of them sees the others` }) : null,
    element("p", { class: "fine" }, `Row ${row} · ${count} tokens · `, element("strong", { text: `${Math.round(100 * share)} % learned` })),
    ...flags.map((flag) => element("p", { class: "tune-notice flag" }, element("span", { class: "notice-word", text: "Look at this" }), element("span", { text: flag.message }))),
    text,
    whole,
    hidden ? element("p", { class: "fine", text: `${numberText(hidden)} further tokens are not shown.` }) : null,
  );
}

// Line breaks are seen, and break the line as well.
function tokenView([id, text, letter]) {
  const state = STATES[letter] ?? letter;
  const shown = text.replaceAll("\n", "⏎\n").replaceAll("\t", "⇥") || "∅";
  return element("span", { class: `lens-token ${state}`, title: `${id}: ${LEGEND[state]}`, text: shown });
}
