// The Finetune view: a new run, the runs there are, one run's page, several compared.

import { element } from "./dom.js";
import { RunComparison } from "./finetune_compare.js";
import { RunPage } from "./finetune_run.js";
import { TrainingRuns } from "./finetune_runs.js";
import { RunSetup } from "./finetune_setup.js";

const HOME = "?view=finetune";

export class FinetuneView {
  // `onTalk(model)` turns to the chat with that model, `onModels` to where models come from.
  constructor({ call, toasts, onChange, onTalk, onModels }) {
    Object.assign(this, { toasts, onChange, onTalk });
    const onBack = () => {
      this.go({ name: "home" });
      this.runs.node.scrollIntoView();
    };
    this.runs = new TrainingRuns({ toasts, onOpen: (name) => this.go({ name: "run", run: name }), onCompare: (runs) => this.go({ name: "compare", runs }) });
    this.setup = new RunSetup({ toasts, taken: () => this.runs.names, onModels, onStarted: (run) => this.go({ name: "run", run: run.name }) });
    this.run = new RunPage({
      call,
      toasts,
      onBack,
      onCopy: (recipe) => this.copy(recipe),
      onUsed: (model, adapter) => this.use(model, adapter),
      onRestored: (name) => this.go({ name: "run", run: name }),
    });
    this.comparison = new RunComparison({ toasts, onBack });
    this.heading = element("h1", { tabIndex: -1, text: "Finetune" });
    this.home = element("div", { class: "tune-home" }, this.heading, element("p", { class: "tune-lead", text: "Teach a model from examples, on this machine. What it learns is kept beside it and can be switched off again." }), this.setup.node, this.runs.node);
    this.body = element("div", { class: "tune-body" }, this.home, this.run.node, this.comparison.node);
    this.node = element("section", { class: "view finetune-view away", "aria-label": "Finetune" }, this.body);
    this.place = { name: "home" };
  }

  // --- as one of the page's views ---

  get address() {
    const { name, run, runs } = this.place;
    if (name === "run") return `${HOME}&run=${encodeURIComponent(run)}`;
    if (name === "compare") return HOME + runs.map((one) => `&compare=${encodeURIComponent(one)}`).join("");
    return HOME;
  }

  get title() {
    return this.place.name === "run" ? this.place.run : "Finetune";
  }

  show() {
    if (this.isShown) return;
    this.isShown = true;
    this.showPlace();
  }

  hide() {
    this.isShown = false;
    for (const part of [this.setup, this.runs, this.run, this.comparison]) part.leave();
  }

  focus() {
    this.heading.focus({ preventScroll: true });
  }

  async openAddress(parameters) {
    const run = parameters.get("run");
    const runs = parameters.getAll("compare");
    const place = run ? { name: "run", run } : runs.length ? { name: "compare", runs } : { name: "home" };
    if (JSON.stringify(place) === JSON.stringify(this.place)) return;
    this.place = place;
    this.showPlace();
  }

  async onReturn() {
    if (this.place.name === "home") await this.runs.look();
    else await this.part.look();
  }

  // --- places within the view ---

  get part() {
    return { home: this.runs, run: this.run, compare: this.comparison }[this.place.name];
  }

  go(place) {
    this.place = place;
    history.pushState(null, "", this.address);
    this.showPlace();
    this.body.scrollTop = 0;
    (place.name === "home" ? this : this.part).focus();
  }

  showPlace() {
    const { name, run, runs } = this.place;
    document.title = `${this.title} – Parlor`;
    this.home.hidden = name !== "home";
    this.run.node.hidden = name !== "run";
    this.comparison.node.hidden = name !== "compare";
    for (const part of [this.runs, this.run, this.comparison]) if (part !== this.part) part.leave();
    if (name !== "home") this.setup.leave();
    if (name === "run") this.run.open(run);
    if (name === "compare") this.comparison.open(runs);
    if (name === "home") this.setup.follow();
    this.part.follow();
  }

  copy(recipe) {
    this.go({ name: "home" });
    this.setup.copy(recipe);
  }

  async use(model, adapter) {
    await this.onChange();
    await this.onTalk(model);
    if (adapter) this.toasts.show(`${adapter} is switched on. Ask it something.`);
  }
}
