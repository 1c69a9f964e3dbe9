// A run before it starts: model, data, what happens; then the plan, the lens, and the start.

import { control } from "./control.js";
import { element } from "./dom.js";
import { FormError, button } from "./forms.js";
import { SimpleChoices } from "./finetune_choices.js";
import { DataChoice } from "./finetune_data.js";
import { Draft } from "./finetune_draft.js";
import { Lens } from "./finetune_lens.js";
import { ModelChoice } from "./finetune_model.js";
import { AllOptions } from "./finetune_options.js";
import { PlanView } from "./finetune_plan.js";
import { Recipes } from "./finetune_recipes.js";
import { Step } from "./finetune_step.js";
import { sourceText } from "./finetune_words.js";

const WAIT_MS = 500;
const UNCHOSEN = {
  model: "Choose the model that is to learn first.",
  data: "Choose first what it is to learn from: a file, your conversations, or a dataset of the hub.",
};

export class RunSetup {
  // `taken()` are the names of the runs there are; `onStarted(run)` after one was started.
  constructor({ toasts, taken, onStarted, onModels }) {
    Object.assign(this, { toasts, taken, onStarted });
    this.unusable = [];
    this.draft = new Draft({ onChange: () => this.onDraft() });
    const { draft } = this;
    this.model = new ModelChoice({ toasts, draft, onModels, onChosen: () => this.advance(this.modelStep, this.dataStep) });
    this.data = new DataChoice({ toasts, draft, onChosen: () => this.onData(), onFailed: () => this.dataStep.fold(false) });
    this.recipes = new Recipes({ toasts, draft });
    this.choices = new SimpleChoices({ draft });
    this.options = new AllOptions({ draft, toasts });
    this.modelStep = new Step(1, "Model", this.model.node, button("Go on", () => this.goOn("model", this.modelStep, this.dataStep), "quiet-button step-on"));
    this.dataStep = new Step(2, "Data", this.data.node, button("Go on", () => this.goOn("data", this.dataStep, this.choiceStep), "quiet-button step-on"));
    this.choiceStep = new Step(3, "What happens", this.recipes.node, this.choices.node, this.options.node);
    this.status = element("p", { class: "fine", role: "status" });
    this.error = new FormError();
    this.refused = new FormError();
    this.plan = new PlanView({ draft });
    this.lens = new Lens({ draft });
    this.lens.node.hidden = true;
    this.startButton = element("button", { type: "button", class: "strong-button", text: "Start", disabled: true, onclick: () => this.start() });
    this.before = element("section", { class: "step before-start", "aria-label": "Before it starts" }, element("h2", { text: "Before it starts" }), this.status, this.error.node, this.plan.node, this.lens.node, this.refused.node, element("div", { class: "tune-deeds" }, this.startButton));
    this.node = element("div", { class: "setup" }, this.modelStep.node, this.dataStep.node, this.choiceStep.node, this.before);
  }

  async follow() {
    if (this.isShown === undefined) {
      this.modelStep.fold(this.draft.has("model"));
      this.dataStep.fold(this.draft.has("data") || !this.draft.has("model"));
      this.choiceStep.fold(!this.draft.isComplete);
    }
    this.isShown = true;
    this.onDraft();
    await Promise.all([this.model.look(), this.data.refresh(), this.recipes.look()]);
    this.tellSteps();
  }

  leave() {
    this.isShown = false;
    clearTimeout(this.timer);
    if (!this.planned) this.plannedFor = null;
    this.asking?.abort();
  }

  // Another run's recipe as the beginning of a new one.
  copy(recipe) {
    this.suggested = freeName(recipe.name, this.taken());
    this.draft.takeRecipe({ ...recipe, name: this.suggested });
    this.data.show();
    for (const step of [this.modelStep, this.dataStep]) step.fold(true);
    this.choiceStep.open();
  }

  goOn(field, step, next) {
    if (this.draft.has(field)) this.advance(step, next);
    else step.refuse(UNCHOSEN[field]);
  }

  advance(step, next) {
    step.fold(true);
    next.open();
  }

  onData() {
    const source = this.draft.get("data");
    // A name that the person chose stays.
    if (!this.draft.has("name") || this.draft.get("name") === this.suggested) {
      this.suggested = freeName(nameFrom(source), this.taken());
      this.draft.set({ name: this.suggested });
    }
    this.choiceStep.fold(false);
  }

  onDraft() {
    this.tellSteps();
    this.choices.show(this.planned);
    this.options.show(this.planned);
    this.planSoon();
  }

  tellSteps() {
    this.modelStep.tell(this.draft.has("model") ? (this.model.chosen?.title ?? this.draft.get("model")) : "");
    this.dataStep.tell(sourceText(this.draft.get("data")));
    this.choiceStep.tell(this.draft.isComplete ? this.draft.get("name") : "");
  }

  // --- the plan ---

  // What is planned already, or is not in sight, is not planned.
  planSoon() {
    const key = JSON.stringify(this.draft.recipe);
    if (!this.isShown || key === this.plannedFor) return;
    clearTimeout(this.timer);
    this.asking?.abort();
    this.plannedFor = null;
    this.startButton.disabled = true;
    if (this.draft.isComplete) {
      this.tell("Working out what will happen …", true);
      this.timer = setTimeout(() => this.ask(), WAIT_MS);
      return;
    }
    this.showPlan(null);
    const missing = [["model", "a model"], ["data", "data"]].filter(([field]) => !this.draft.has(field)).map(([, words]) => words);
    if (!missing.length) missing.push("a name for the result");
    this.tell(`Choose ${missing.join(" and ")}: then you see here what will happen, before it does.`);
  }

  async ask() {
    this.asking = new AbortController();
    const { signal } = this.asking;
    const { recipe } = this.draft;
    this.clearErrors();
    this.plannedFor = JSON.stringify(recipe);
    try {
      const { plan } = await control("training/plan", { recipe }, { signal });
      if (signal.aborted) return;
      this.tell("");
      this.showPlan(plan);
      this.plannedSubject = subjectOf(recipe);
      this.startButton.disabled = Boolean(plan.refusal || plan.name_fault);
      if (plan.name_fault) this.onNameTaken(plan);
    } catch (error) {
      if (error.name === "AbortError") return;
      this.plannedFor = null;
      this.tell("");
      // What was planned of the same model and data helps to set right what is wrong now.
      if (this.planned && this.plannedSubject === subjectOf(recipe)) this.plan.outdate();
      else this.showPlan(null);
      await this.showError(error);
    }
  }

  // A name that was only suggested is changed; one that the person chose is not.
  onNameTaken({ name_fault: message, recipe: { name } }) {
    if (name === this.suggested) {
      this.unusable.push(name);
      this.suggested = freeName(name, [...this.taken(), ...this.unusable]);
      this.draft.set({ name: this.suggested });
    } else {
      this.choices.showError({ message, field: "name" });
      this.choiceStep.fold(false);
      this.tell(message);
    }
  }

  showPlan(plan) {
    this.planned = plan ?? undefined;
    this.plan.show(plan);
    this.choices.show(this.planned);
    this.options.show(this.planned);
    this.lens.node.hidden = !plan?.facts.samples;
    if (!this.lens.node.hidden) this.lens.show(plan);
  }

  tell(words, isBusy = false) {
    this.status.textContent = words;
    this.status.hidden = !words;
    this.before.classList.toggle("waiting", isBusy);
  }

  // --- the start ---

  async start() {
    this.startButton.disabled = true;
    this.clearErrors();
    try {
      // What was planned and read in the lens is what is started.
      const { run } = await control("training/start", { recipe: this.planned.recipe });
      this.suggested = freeName(run.name, [...this.taken(), run.name]);
      this.onStarted(run);
      this.draft.set({ name: this.suggested });
    } catch (error) {
      await this.showError(error, this.refused);
      this.startButton.disabled = false;
    }
  }

  // At its field, which may be far away, and where it was asked for.
  async showError(error, place = this.error) {
    const field = error.field?.replace(/^(body\.)?recipe\./, "").split(".")[0];
    const about = { message: error.message, field };
    if (this.choices.showError(about) || (await this.options.showError(about))) this.choiceStep.fold(false);
    place.show({ message: error.message });
  }

  clearErrors() {
    this.error.clear();
    this.refused.clear();
    this.choices.clearError();
    this.options.clearError();
  }
}

function subjectOf({ model, data, evaluation_data: judged }) {
  return JSON.stringify([model, data, judged]);
}

function nameFrom(source) {
  if (source.conversations) return source.conversations.search || "my-conversations";
  const last = (source.dataset || source.path || source.hub).split(/[\\/]/).filter(Boolean).at(-1) ?? "adapter";
  return last.replace(/\.\w{1,8}$/, "");
}

function freeName(wanted, taken) {
  const base = wanted.replace(/-\d+$/, "").replace(/[^\p{L}\p{N}_.-]+/gu, "-").slice(0, 80) || "adapter";
  let name = base;
  for (let number = 2; taken.includes(name); number += 1) name = `${base}-${number}`;
  return name;
}
