// The page of one run: how far it is, its curves, its answers, what can be done with it, and what comes after it.

import { control } from "./control.js";
import { element, icon } from "./dom.js";
import { button } from "./forms.js";
import { AfterRun } from "./finetune_after.js";
import { Answers } from "./finetune_answers.js";
import { RunMetrics } from "./finetune_metrics.js";
import { RunPlots } from "./finetune_plots.js";
import { METHOD_NAMES, STATES, lossText, sourceText, speedText, titleOf, valueText } from "./finetune_words.js";
import { agoText, bytesText, durationText, numberText } from "./words.js";

const POLL_MS = 1000;
// One that has ended may be resumed in another tab.
const REST_MS = 5000;
const ACTIVE = ["queued", "running"];

export class RunPage {
  // `onBack` leads to the list; `onCopy(recipe)` begins another run; `onUsed(model)` when the result is in use;
  // `onRestored(name)` when a deleted run is back.
  constructor({ call, toasts, onBack, onCopy, onUsed, onRestored }) {
    Object.assign(this, { toasts, onBack, onCopy, onRestored });
    this.title = element("h1", { dir: "auto", tabIndex: -1 });
    this.state = element("span", { class: "mark state" });
    this.facts = element("p", { class: "fine" });
    this.bar = element("progress", { max: 1, "aria-label": "Progress" });
    this.progress = element("p", { class: "run-progress", role: "status" });
    this.problem = element("p", { class: "form-error", role: "alert", hidden: true });
    this.deeds = element("div", { class: "tune-deeds" });
    this.figures = element("dl", { class: "figures" });
    this.plots = new RunPlots();
    this.answers = new Answers();
    this.after = new AfterRun({ call, toasts, onUsed });
    this.log = element("pre", { class: "run-log", tabIndex: 0 });
    this.logBox = element("details", { class: "tune-details", ontoggle: () => this.lookAtLog() }, element("summary", { text: "Log" }), this.log);
    this.recipe = element("dl", { class: "recipe-fields" });
    this.yaml = element("a", { class: "quiet-button", target: "_blank", rel: "noopener", text: "Open the recipe as YAML" });
    this.node = element(
      "div",
      { class: "tune-run", hidden: true },
      element("button", { type: "button", class: "back", onclick: onBack }, icon("left"), "All runs"),
      element("div", { class: "run-head" }, this.title, this.state),
      this.facts,
      this.bar,
      this.progress,
      this.problem,
      this.deeds,
      this.after.node,
      this.figures,
      this.plots.node,
      this.answers.node,
      this.logBox,
      element("details", { class: "tune-details" }, element("summary", { text: "Recipe" }), this.recipe, element("div", {}, this.yaml)),
    );
  }

  // Another run; one that is open already stays as it is.
  open(name) {
    if (name === this.name) return;
    this.name = name;
    this.run = null;
    this.metrics = new RunMetrics(name);
    this.title.textContent = name;
    this.state.className = "";
    this.state.textContent = "";
    this.bar.hidden = true;
    this.log.textContent = "";
    this.yaml.href = `/control/training/runs/${encodeURIComponent(name)}/recipe`;
    for (const part of [this.deeds, this.figures, this.recipe]) part.replaceChildren();
    this.shownDeeds = "";
    this.plots.show([this.metrics]);
    this.plots.node.hidden = true;
    this.answers.show([]);
    this.after.hide();
  }

  // Goes on asking while the page is in sight, seldom where nothing is at work.
  follow() {
    this.isShown = true;
    return this.look();
  }

  leave() {
    this.isShown = false;
    clearTimeout(this.timer);
  }

  focus() {
    this.title.focus();
  }

  async look() {
    clearTimeout(this.timer);
    const { name } = this;
    if (!name || this.isLooking) return;
    this.isLooking = true;
    try {
      const { run } = await control(`training/runs/${encodeURIComponent(name)}`);
      const hasNew = await this.metrics.look();
      if (name === this.name) this.show(run, hasNew);
    } catch (error) {
      if (error.code === "not_found" && name === this.name) this.leaveForGood();
      this.toasts.error(error);
    } finally {
      this.isLooking = false;
    }
    if (name !== this.name) return this.isShown ? this.look() : undefined;
    const pause = !this.run || ACTIVE.includes(this.run.state) ? POLL_MS : REST_MS;
    if (this.isShown) this.timer = setTimeout(() => (document.hidden ? null : this.look()), pause);
  }

  show(run, hasNew) {
    const before = this.run?.state;
    this.run = run;
    if (before === "running" && run.state === "done") this.toasts.show(`${run.name} is done.`);
    this.state.className = `mark state ${run.state}`;
    this.state.textContent = STATES[run.state];
    this.facts.textContent = [run.model, METHOD_NAMES[run.method] ?? run.method, sourceText(run.recipe.data), run.started ? `begun ${agoText(run.started)}` : `asked for ${agoText(run.created)}`].filter(Boolean).join(" · ");
    this.bar.hidden = !ACTIVE.includes(run.state);
    this.bar.value = run.total_steps ? run.step / run.total_steps : 0;
    this.progress.textContent = progressText(run);
    this.problem.hidden = !run.error;
    this.problem.textContent = run.error;
    this.showDeeds();
    this.figures.replaceChildren(...figuresOf(run).map(([name, value, detail]) => element("div", { class: "figure" }, element("dt", { text: name }), element("dd", { class: "figure-value", text: value }), element("dd", { class: "fine", text: detail }))));
    this.plots.node.hidden = !this.metrics.next;
    if (hasNew) this.plots.show([this.metrics]);
    this.answers.show(this.metrics.answers, run.result_step);
    if (!this.recipe.children.length) this.recipe.replaceChildren(...recipeRows(run.recipe));
    this.after.show(run);
    if (this.logBox.open) this.lookAtLog();
  }

  // Made anew only in another state, so that a button keeps the focus.
  showDeeds() {
    const { state, recipe } = this.run;
    if (state === this.shownDeeds) return;
    this.shownDeeds = state;
    const stop = button("Stop and save", () => this.act("stop"), "strong-button");
    const resume = button("Resume", () => this.act("resume"), "strong-button");
    const again = button("New run like this", () => this.onCopy(recipe));
    const found = { queued: [button("Take out of the queue", () => this.act("stop"))], running: [stop], done: [again] }[state] ?? [resume, again];
    if (!ACTIVE.includes(state)) found.push(button("Delete", () => this.remove(), "quiet-button", { title: "What it learned stays." }));
    this.deeds.replaceChildren(...found);
  }

  async remove() {
    const { name } = this;
    for (const one of this.deeds.children) one.disabled = true;
    try {
      const { undo, kept } = await control("training/delete", { name });
      this.leaveForGood();
      const stays = kept ? ` What it learned stays in ${kept}.` : "";
      this.toasts.show(`The run ${name} is deleted.${stays}`, { action: "Undo", onAction: () => this.restore(undo) });
    } catch (error) {
      this.toasts.error(error);
      this.shownDeeds = "";
      await this.look();
    }
  }

  async restore(undo) {
    try {
      const { run } = await control("training/restore", { undo });
      this.onRestored(run.name);
    } catch (error) {
      this.toasts.error(error);
    }
  }

  // Stopping takes until a checkpoint is saved; meanwhile nothing can be pressed.
  async act(deed) {
    for (const one of this.deeds.children) one.disabled = true;
    if (deed === "stop") this.deeds.firstChild.textContent = "Stopping …";
    try {
      await control(`training/${deed}`, { name: this.name });
    } catch (error) {
      this.toasts.error(error);
      this.shownDeeds = "";
    }
    return this.look();
  }

  leaveForGood() {
    this.name = null;
    this.onBack();
  }

  async lookAtLog() {
    if (!this.logBox.open) return;
    try {
      const { log } = await control(`training/runs/${encodeURIComponent(this.name)}/log`);
      if (log === this.log.textContent) return;
      const isAtEnd = this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < 40;
      this.log.textContent = log || "Nothing yet.";
      if (isAtEnd) this.log.scrollTop = this.log.scrollHeight;
    } catch (error) {
      this.toasts.error(error);
    }
  }
}

function progressText({ state, step, total_steps: total, seconds_left: left, seconds, note, place_in_queue: place }) {
  if (state === "queued") return place ? `Number ${place} in the queue: it begins when the runs before it have ended.` : "It begins when the runs before it have ended.";
  const words = [total ? `Step ${numberText(step)} of ${numberText(total)}` : ""];
  if (state === "running") words.push(left ? `about ${durationText(left)} left` : "", note);
  else words.push(seconds ? `${durationText(seconds)} of training` : "");
  if (state === "interrupted") words.push("the program ended meanwhile");
  if (state === "stopped" || state === "interrupted") words.push(step ? "Resume goes on from the last checkpoint" : "Resume begins it");
  return words.filter(Boolean).join(" · ");
}

function figuresOf(run) {
  const figures = run.loss === null ? [] : [["Loss", lossText(run.loss), "of the last step"]];
  if (run.evaluation_loss !== null) {
    figures.push(["Held-out loss", lossText(run.evaluation_loss), run.first_evaluation_loss === null ? "" : `${lossText(run.first_evaluation_loss)} before the run`]);
    if (run.best_evaluation_loss !== null) figures.push(["Best", lossText(run.best_evaluation_loss), run.best_step === null ? "" : `at step ${numberText(run.best_step)}`]);
  }
  if (run.tokens_per_second) figures.push(["Speed", speedText(run.tokens_per_second), run.predicted_seconds ? `${durationText(run.predicted_seconds)} in all were predicted` : ""]);
  const memory = run.peak_memory_bytes || run.memory_bytes;
  if (memory) figures.push(["Memory", bytesText(memory), run.predicted_memory_bytes ? `${bytesText(run.predicted_memory_bytes)} were predicted` : ""]);
  return figures;
}

export function recipeRows(recipe) {
  return Object.entries(recipe)
    .filter(([, value]) => value !== null && value !== "")
    .flatMap(([field, value]) => [element("dt", { text: titleOf(field) }), element("dd", { dir: "auto", text: valueText(value) })]);
}
