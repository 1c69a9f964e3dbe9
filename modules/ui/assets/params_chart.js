// How the next token would be chosen here: the likeliest tokens before and after each sampler, as bars.

import { control } from "./control.js";
import { element } from "./dom.js";
import { button } from "./forms.js";
import { samplerTitle } from "./params_words.js";
import { numberText } from "./words.js";

const WAIT_MS = 300;
const TOKENS = 8;
const ROWS = 6;

export class NextTokenChart {
  constructor({ place, onLoad }) {
    Object.assign(this, { place, onLoad });
    this.isShown = false;
    this.status = element("p", { class: "fine", role: "status" });
    this.load = button("Load the model", () => this.onLoad(), "quiet-button", { hidden: true });
    this.steps = element("ol", { class: "chart-steps" });
    this.legend = element("p", { class: "fine chart-legend" }, element("span", { class: "chart-key before" }), "before the step", element("span", { class: "chart-key after" }), "after it");
    this.node = element(
      "details",
      { class: "params-fold", ontoggle: () => this.follow(true) },
      element("summary", {}, element("span", { text: "Next token" })),
      element("p", { class: "fine", text: "What the model would write next here, and what each step makes of it." }),
      this.status,
      this.load,
      this.legend,
      this.steps,
    );
    this.clear("");
  }

  setShown(isShown) {
    this.isShown = isShown;
    this.follow(true);
  }

  // `isChanged` where something else than the text is different. The last question is given up for the new one.
  follow(isChanged = false) {
    const { model, conversation, document: document_, draft, revision } = this.place();
    const key = JSON.stringify([model, conversation, document_, draft, revision]);
    if (!isChanged && key === this.key) return;
    this.key = key;
    clearTimeout(this.timer);
    this.asking?.abort();
    if (this.isShown && this.node.open) this.timer = setTimeout(() => this.ask(), WAIT_MS);
  }

  async ask() {
    const { model, conversation, document: document_, draft, modelTitle } = this.place();
    this.asking = new AbortController();
    const { signal } = this.asking;
    this.steps.classList.add("waiting");
    const waiting = setTimeout(() => this.tell("Asking the model…"), WAIT_MS);
    try {
      const body = { model: model ?? "", conversation: conversation ?? "", document: document_ ?? "", draft: draft ?? "", n: TOKENS };
      const { is_loaded: isLoaded, steps } = await control("distribution/next", body, { signal });
      if (signal.aborted) return;
      if (isLoaded) this.show(steps);
      else this.clear(model ? `${modelTitle} is not loaded.` : "No model is chosen.", Boolean(model));
    } catch (error) {
      if (error.name !== "AbortError" && !signal.aborted) this.clear(error.message);
    } finally {
      clearTimeout(waiting);
      if (this.asking?.signal === signal) this.steps.classList.remove("waiting");
    }
  }

  tell(text) {
    this.status.textContent = text;
    this.status.hidden = !text;
  }

  clear(text, canLoad = false) {
    this.tell(text);
    this.load.hidden = !canLoad;
    this.legend.hidden = true;
    this.steps.replaceChildren();
  }

  show(steps) {
    this.clear("");
    this.legend.hidden = steps.length < 2;
    const most = Math.max(...steps.flatMap((step) => step.tokens.map((one) => one.probability)));
    this.steps.style.setProperty("--most", most);
    this.steps.replaceChildren(...steps.map((step, place) => stepView(step, steps[place - 1])));
  }
}

// The first step has nothing before it.
function stepView(step, before) {
  const kept = before && step.kept === before.kept ? `still ${numberText(step.kept)}` : numberText(step.kept);
  const tokens = (before ?? step).tokens.slice(0, ROWS);
  const after = new Map(step.tokens.map((one) => [one.id, one.probability]));
  // What a step brings to the top stands below what was there.
  const risen = before ? step.tokens.filter((one) => !tokens.some((old) => old.id === one.id)).slice(0, 2) : [];
  const was = new Map((before?.tokens ?? []).map((one) => [one.id, one.probability]));
  // Steps that leave tokens out keep the order of the others.
  const lowest = Math.min(...step.tokens.map((one) => was.get(one.id) ?? 0));
  const isOut = (one) => step.kept <= step.tokens.length || (before && step.kept < before.kept && was.get(one.id) > lowest);
  const rows = [...tokens, ...risen].map((one) => row(one, before ? was.get(one.id) ?? 0 : null, after.get(one.id) ?? 0, isOut(one)));
  return element(
    "li",
    { class: "chart-step" },
    element("div", { class: "chart-title" }, element("span", { text: samplerTitle(step.name) }), element("span", { class: "fine", text: `${kept} ${step.kept === 1 ? "token" : "tokens"}` })),
    element("ul", { class: "chart-rows" }, ...rows),
  );
}

function row(token, before, after, isOut) {
  const text = tokenText(token.token);
  const percent = after ? percentText(after) : isOut ? "out" : "lower";
  const words = before === null ? `${text}: ${percent}` : `${text}: ${before ? percentText(before) : "lower"} before, ${percent} after`;
  return element(
    "li",
    { class: after || !isOut ? "chart-row" : "chart-row dropped", "aria-label": words },
    element("span", { class: "chart-token", "aria-hidden": "true", text }),
    element("span", { class: "chart-bars", "aria-hidden": "true" }, before === null ? null : bar("before", before), bar("after", after)),
    element("span", { class: "chart-percent", "aria-hidden": "true", text: percent }),
  );
}

function bar(kind, probability) {
  const made = element("span", { class: `chart-bar ${kind}` });
  made.style.setProperty("--share", probability);
  return made;
}

function percentText(probability) {
  const percent = 100 * probability;
  if (percent < 0.1) return "< 0.1 %";
  return `${percent >= 9.95 ? Math.round(percent) : percent.toFixed(1)} %`;
}

// Spaces and line breaks are seen.
function tokenText(text) {
  return text.replaceAll(" ", "␣").replaceAll("\n", "⏎").replaceAll("\t", "⇥") || "(end)";
}
