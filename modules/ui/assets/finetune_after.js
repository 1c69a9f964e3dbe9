// What a finished run is good for: used in chat, asked beside the model it came from, exported.

import { control, controlFrames } from "./control.js";
import { element } from "./dom.js";
import { FormError, button, labelled } from "./forms.js";
import { sideBySide } from "./finetune_answers.js";
import { Exports } from "./finetune_exports.js";
import { lossText } from "./finetune_words.js";
import { numberText } from "./words.js";

const PROMPT_CHARS = 4000;
const ANSWER_TOKENS = 120;
const RESULTS = { adapter: "The adapter", model: "The model" };

export class AfterRun {
  // `onUsed(model, adapter)` when the result answers in chat.
  constructor({ call, toasts, onUsed }) {
    this.onUsed = onUsed;
    this.words = element("p");
    this.use = button("Use in chat", () => this.useIt(), "strong-button");
    this.useError = new FormError();
    this.prompt = element("textarea", { class: "form-field", rows: 2, dir: "auto", maxLength: PROMPT_CHARS });
    this.ask = element("button", { type: "submit", class: "quiet-button", text: "Ask both" });
    this.askError = new FormError({ prompt: this.prompt });
    this.status = element("p", { class: "fine", role: "status" });
    this.answer = element("div", { class: "answer-list" });
    this.exports = new Exports({ call, toasts, onUsed });
    const onsubmit = (event) => {
      event.preventDefault();
      this.compare();
    };
    this.comparison = element("details", { class: "tune-details" }, element("summary", { text: "Compare its answers with those from before the training" }), element("form", { class: "tune-part", onsubmit }, labelled("Prompt", this.prompt), this.askError.node, element("div", { class: "tune-deeds" }, this.ask, this.status)), this.answer);
    this.node = element("section", { class: "after", "aria-label": "The result", hidden: true }, element("div", { class: "after-head" }, this.words, this.use), this.useError.node, this.comparison, this.exports.node);
  }

  hide() {
    this.node.hidden = true;
    this.name = null;
    this.stopper?.abort();
  }

  show(run) {
    const { name, result, recipe } = run;
    this.node.hidden = !result;
    if (!result) return;
    this.words.textContent = [`${RESULTS[result]} ${name} is ready.`, stateKept(run), judged(run)].filter(Boolean).join(" ");
    if (name === this.name) return;
    this.name = name;
    this.answer.replaceChildren();
    this.status.textContent = "";
    for (const error of [this.useError, this.askError]) error.clear();
    this.prompt.value = recipe.probes?.[0] ?? "";
    this.exports.show(name);
  }

  async useIt() {
    this.use.disabled = true;
    this.useError.clear();
    this.use.textContent = "Loading …";
    try {
      const { model, adapter } = await control("training/use", { name: this.name });
      await this.onUsed(model, adapter);
    } catch (error) {
      this.useError.show(error);
    } finally {
      this.use.disabled = false;
      this.use.textContent = "Use in chat";
    }
  }

  // The same button stops it.
  async compare() {
    if (this.stopper) {
      this.stopper.abort();
      return;
    }
    const { name } = this;
    const prompt = this.prompt.value.trim();
    this.askError.clear();
    if (!prompt) {
      this.askError.show({ message: "Write what both are to be asked.", field: "prompt" });
      return;
    }
    this.stopper = new AbortController();
    const { signal } = this.stopper;
    this.ask.textContent = "Stop";
    this.status.textContent = "Both are answering …";
    const texts = { base: "", tuned: "" };
    const onFrame = (piece) => {
      for (const side of Object.keys(texts)) texts[side] += piece[side] ?? "";
      this.answer.replaceChildren(sideBySide(prompt, ["Before", texts.base], [name, texts.tuned]));
    };
    try {
      await controlFrames("training/compare", { adapter: name, prompt, max_tokens: ANSWER_TOKENS, stream: true }, { signal, onFrame });
    } catch (error) {
      if (error.name !== "AbortError") this.askError.show(error);
    } finally {
      this.stopper = null;
      this.ask.textContent = "Ask both";
      this.status.textContent = "";
    }
  }
}

// Which step's weights they are, where that is not the end of the run.
function stateKept({ step, total_steps: total, result_step: kept }) {
  const isStopped = step < total;
  if (kept === null || (kept === step && !isStopped)) return "";
  const stopped = isStopped ? `The run was stopped at step ${numberText(step)} of ${numberText(total)} and can go on; ` : "";
  const best = kept < step ? ", the best until then" : "";
  return `${stopped}${stopped ? "what is kept is" : "It is"} the state after step ${numberText(kept)}${best}.`;
}

function judged({ first_evaluation_loss: before, best_evaluation_loss: best, evaluation_loss: last, recipe }) {
  const after = recipe.keep_best ? (best ?? last) : last;
  if (before === null || after === null) return "";
  const change = Math.round(100 * (1 - after / before));
  const words = change > 0 ? `${change} % less` : change < 0 ? `${-change} % more` : "the same";
  return `Its loss on samples it never saw went from ${lossText(before)} to ${lossText(after)}: ${words}.`;
}
