// Answers to the run's prompts at a checkpoint beside those of the model before, with the words that differ marked.

import { element } from "./dom.js";
import { choiceOf, labelled } from "./forms.js";
import { wordDifference } from "./notebook_diff.js";
import { numberText } from "./words.js";

const NEWEST = "";

export class Answers {
  constructor() {
    this.choice = choiceOf([], { onchange: () => this.draw() });
    this.list = element("div", { class: "answer-list" });
    this.node = element("section", { class: "tune-part answers", "aria-label": "Answers", hidden: true }, element("div", { class: "tune-head" }, element("h2", { text: "Answers" }), labelled("At", this.choice)), this.list);
  }

  show(answers) {
    const key = JSON.stringify([answers.length, answers.at(-1)]);
    if (key === this.key) return;
    this.key = key;
    this.answers = answers;
    this.node.hidden = !answers.length;
    const steps = this.steps;
    const chosen = this.choice.value;
    this.choice.replaceChildren(element("option", { value: NEWEST, text: steps.length ? `the newest, step ${numberText(steps.at(-1))}` : "the beginning" }), ...steps.map((step) => element("option", { value: String(step), text: `step ${numberText(step)}` })));
    this.choice.value = steps.includes(Number(chosen)) && chosen !== NEWEST ? chosen : NEWEST;
    this.draw();
  }

  get steps() {
    return [...new Set(this.answers.map((one) => one.step))].filter((step) => step > 0).sort((a, b) => a - b);
  }

  draw() {
    const step = this.choice.value === NEWEST ? this.steps.at(-1) : Number(this.choice.value);
    const prompts = [...new Set(this.answers.map((one) => one.prompt))];
    const at = (prompt, wanted) => this.answers.findLast((one) => one.prompt === prompt && one.step === wanted)?.text;
    this.list.replaceChildren(...prompts.map((prompt) => sideBySide(prompt, ["Before", at(prompt, 0)], [step ? `Step ${numberText(step)}` : "", at(prompt, step)])));
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
