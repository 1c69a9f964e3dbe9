// Answers to the run's prompts at a checkpoint beside those of the model before, with the words that differ marked.

import { element } from "./dom.js";
import { choiceOf, labelled } from "./forms.js";
import { wordDifference } from "./notebook_diff.js";
import { numberText } from "./words.js";

const USUAL = "";

export class Answers {
  constructor() {
    this.choice = choiceOf([], { onchange: () => this.draw() });
    this.list = element("div", { class: "answer-list" });
    this.node = element("section", { class: "tune-part answers", "aria-label": "Answers", hidden: true }, element("div", { class: "tune-head" }, element("h2", { text: "Answers" }), labelled("At", this.choice)), this.list);
  }

  // `kept` is the step whose weights are the run's result, if it has one.
  show(answers, kept = null) {
    const key = JSON.stringify([answers.length, answers.at(-1), kept]);
    if (key === this.key) return;
    this.key = key;
    this.answers = answers;
    this.kept = kept;
    this.node.hidden = !answers.length;
    const { steps } = this;
    const chosen = this.choice.value;
    this.choice.replaceChildren(element("option", { value: USUAL, text: this.usualWords }), ...steps.map((step) => element("option", { value: String(step), text: `step ${numberText(step)}` })));
    this.choice.value = steps.includes(Number(chosen)) && chosen !== USUAL ? chosen : USUAL;
    this.draw();
  }

  // Those of the result; as long as there are none, the newest.
  get usual() {
    return this.steps.includes(this.kept) ? this.kept : this.steps.at(-1);
  }

  get usualWords() {
    if (!this.steps.length) return "the beginning";
    const step = `step ${numberText(this.usual)}`;
    return this.usual === this.kept ? `the result, ${step}` : `the newest, ${step}`;
  }

  get steps() {
    return [...new Set(this.answers.map((one) => one.step))].filter((step) => step > 0).sort((a, b) => a - b);
  }

  draw() {
    const step = this.choice.value === USUAL ? this.usual : Number(this.choice.value);
    const prompts = [...new Set(this.answers.map((one) => one.prompt))];
    const at = (prompt, wanted) => this.answers.findLast((one) => one.prompt === prompt && one.step === wanted)?.text;
    this.list.replaceChildren(...prompts.map((prompt) => sideBySide(prompt, ["Before", at(prompt, 0)], [step ? `Step ${numberText(step)}${step === this.kept ? ", the result" : ""}` : "", at(prompt, step)])));
  }
}

// `before` and `after` are a label and a text, which may be missing.
export function sideBySide(prompt, [beforeLabel, before], [afterLabel, after]) {
  const pieces = before !== undefined && after !== undefined ? wordDifference(before, after) : [["first", before ?? ""], ["second", after ?? ""]];
  const isCompared = before !== undefined && after !== undefined;
  const text = (own, tag) => pieces.filter(([kind]) => kind === "same" || kind === own).map(([kind, words]) => element(kind === "same" || !isCompared ? "span" : tag, { text: words }));
  const column = (label, nodes) => element("div", { class: "answer" }, element("span", { class: "answer-label", text: label }), element("div", { class: "answer-text", dir: "auto" }, ...nodes));
  return element(
    "article",
    { class: "answer-pair" },
    element("p", { class: "answer-prompt", dir: "auto", text: prompt }),
    column(beforeLabel, text("first", "del")),
    after === undefined ? null : column(afterLabel, text("second", "ins")),
  );
}
