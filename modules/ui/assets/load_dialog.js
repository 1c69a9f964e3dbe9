// The load dialog: engine and options of one model, and what it will need and give with them.

import { element } from "./dom.js";
import { button, Dialog } from "./forms.js";
import { EstimateView } from "./load_estimate.js";
import { OptionForm } from "./load_form.js";

const ESTIMATE_PAUSE_MS = 250;
// Without a speed the program may be measuring this machine, which takes about two seconds.
const SPEED_PAUSE_MS = 2500;
const SPEED_TRIES = 3;

export class LoadDialog {
  // `onLoading(model)` is called when the load has begun.
  constructor({ call, onLoading }) {
    Object.assign(this, { call, onLoading });
    // Counts what was asked; an answer about older values is not shown.
    this.asked = 0;
    this.engine = element("select", { class: "select", id: "load-engine", onchange: () => this.chooseEngine(this.engine.value) });
    this.engineLine = element("div", { class: "option" }, element("label", { for: "load-engine", text: "Engine" }), this.engine);
    this.form = new OptionForm({ onInput: () => this.estimateSoon() });
    this.estimate = new EstimateView();
    this.problem = element("div", { class: "load-problem", role: "alert", hidden: true });
    this.submitButton = element("button", { type: "submit", class: "strong-button", text: "Load" });
    const form = element(
      "form",
      { class: "load-form", noValidate: true, onsubmit: (event) => this.submit(event) },
      element("div", { class: "load-options" }, this.engineLine, this.form.node),
      element("div", { class: "load-outlook" }, this.estimate.node),
      element("div", { class: "load-foot" }, this.problem, button("Cancel", () => this.dialog.close()), this.submitButton),
    );
    this.dialog = new Dialog("Load", form);
    this.node = this.dialog.node;
    this.node.classList.add("load-dialog");
    this.node.addEventListener("close", () => this.forget());
  }

  async open(model) {
    this.model = model;
    this.speedTries = SPEED_TRIES;
    this.dialog.title = `Load ${model.title}`;
    this.say("");
    this.form.clear();
    this.estimate.wait();
    this.dialog.open();
    await this.chooseEngine(null);
  }

  forget() {
    clearTimeout(this.timer);
    this.asked += 1;
  }

  async chooseEngine(name) {
    const asked = ++this.asked;
    this.submitButton.disabled = true;
    try {
      const form = await this.call("models_form", { model: this.model.id, engine: name });
      if (asked !== this.asked) return;
      this.engine.replaceChildren(...form.engines.map((value) => element("option", { value, text: engineTitle(value) })));
      this.engine.value = form.engine;
      this.engineLine.hidden = form.engines.length < 2;
      this.form.build(form.fields, form.values);
      this.submitButton.disabled = false;
      this.submitButton.focus();
      await this.estimateNow();
    } catch (error) {
      if (asked === this.asked) this.say(error.message);
    }
  }

  // --- the estimate ---

  estimateSoon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.estimateNow(), ESTIMATE_PAUSE_MS);
  }

  async estimateNow() {
    clearTimeout(this.timer);
    const asked = ++this.asked;
    this.estimate.wait();
    try {
      const estimate = await this.call("models_estimate", this.values());
      if (asked !== this.asked) return;
      this.form.explain(null, "");
      this.say("");
      this.estimate.show(estimate);
      if (!estimate.speed && this.speedTries-- > 0) this.timer = setTimeout(() => this.estimateNow(), SPEED_PAUSE_MS);
    } catch (error) {
      if (asked !== this.asked) return;
      const isField = this.form.explain(error.field, error.message);
      this.say("");
      this.estimate.fail(isField ? "Mend the value that is marked to see what the model will need." : error.message);
    }
  }

  values() {
    return { model: this.model.id, engine: this.engine.value, options: this.form.values() };
  }

  // --- loading ---

  async submit(event) {
    event.preventDefault();
    const asked = ++this.asked;
    this.submitButton.disabled = true;
    try {
      await this.call("models_load", this.values());
      this.dialog.close();
      await this.onLoading(this.model);
    } catch (error) {
      if (asked !== this.asked) return;
      if (this.form.explain(error.field, error.message)) this.form.focus(error.field);
      else this.say(error.message);
    } finally {
      this.submitButton.disabled = false;
    }
  }

  say(text) {
    this.problem.hidden = !text;
    this.problem.textContent = text;
  }
}

function engineTitle(name) {
  return { llamacpp: "llama.cpp", transformers: "Transformers", echo: "Echo", remote: "Remote server" }[name] ?? name;
}
