// The dialog that compares two branches word by word.

import { element } from "./dom.js";
import { Dialog, choiceOf, labelled } from "./forms.js";
import { wordDifference } from "./notebook_diff.js";
import { numberText } from "./words.js";

const TAGS = { same: "span", first: "del", second: "ins" };
// Of long passages that are the same in both only the edges are shown.
const SAME_CHARS = 400;

export class Comparison {
  constructor({ call, toasts }) {
    Object.assign(this, { call, toasts });
    this.first = choiceOf([], { onchange: () => this.compare() });
    this.second = choiceOf([], { onchange: () => this.compare() });
    this.summary = element("p", { class: "fine", "aria-live": "polite" });
    this.text = element("div", { class: "comparison", dir: "auto", tabIndex: 0 });
    this.dialog = new Dialog(
      "Compare branches",
      element("div", { class: "comparison-choices" }, labelled("From", this.first), labelled("To", this.second)),
      this.summary,
      this.text,
    );
    this.dialog.node.classList.add("wide-dialog");
    this.node = this.dialog.node;
  }

  async show(id, first, second, branches) {
    this.id = id;
    const named = branches.some((one) => one.version === first) ? branches : [{ version: first, preview: "the shown text", on_path: true }, ...branches];
    for (const field of [this.first, this.second]) {
      field.replaceChildren(...named.map((one) => element("option", { value: String(one.version), text: nameOf(one) })));
    }
    this.first.value = String(first);
    this.second.value = String(second);
    this.dialog.open();
    await this.compare();
  }

  async compare() {
    const versions = [this.first, this.second].map((field) => Number(field.value));
    try {
      const [a, b] = await Promise.all(versions.map((version) => this.call("notebook_text", { id: this.id, version })));
      const pieces = wordDifference(a.text, b.text);
      const length = (kind) => pieces.filter(([one]) => one === kind).reduce((sum, [, text]) => sum + text.length, 0);
      this.summary.textContent = `${numberText(length("first"))} characters only in the first, ${numberText(length("second"))} only in the second.`;
      this.text.replaceChildren(...pieces.map(([kind, text], place) => element(TAGS[kind], { text: kind === "same" ? shortened(text, place, pieces.length) : text })));
      this.text.querySelector("del, ins")?.scrollIntoView({ block: "center" });
    } catch (error) {
      this.toasts.error(error);
    }
  }
}

function nameOf({ version, preview, on_path: isShown }) {
  const words = preview.trim().replace(/\s+/g, " ").slice(0, 50);
  return `${version}${isShown ? ", shown" : ""}: ${words || "empty"}`;
}

function shortened(text, place, count) {
  if (text.length <= 2 * SAME_CHARS) return text;
  const lead = place === 0 ? "" : text.slice(0, SAME_CHARS);
  const end = place === count - 1 ? "" : text.slice(-SAME_CHARS);
  return `${lead}\n…\n${end}`;
}
