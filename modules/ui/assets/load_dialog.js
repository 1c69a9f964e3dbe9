// The load dialog: engine and options of one model, and what it will need and give with them.

import { element, iconButton } from "./dom.js";
import { EstimateView } from "./load_estimate.js";
import { OptionForm } from "./load_form.js";

const ESTIMATE_PAUSE_MS = 250;

export class LoadDialog {
  constructor({ call, toasts, onLoading }) {
    Object.assign(this, { call, toasts, onLoading });
    // Counts what was asked; an answer about older values is not shown.
    this.asked = 0;
    this.heading = element("h2", { id: "load-heading", dir: "auto" });
    this.engine = element("select", { class: "select", id: "load-engine", onchange: () => this.chooseEngine(this.engine.value) });
    this.engineLine = element("div", { class: "option" }, element("label", { for: "load-engine", text: "Engine" }), this.engine);
    this.form = new OptionForm({ onInput: () => this.estimateSoon() });
    this.estimate = new EstimateView();
    this.problem = element("div", { class: "load-problem", role: "alert", hidden: true });
    this.button = element("button", { type: "submit", class: "strong-button", text: "Load" });
    this.node = element(
      "dialog",
      { class: "dialog load-dialog", "aria-labelledby": "load-heading" },
      element(
        "form",
        { method: "dialog", noValidate: true, onsubmit: (event) => this.submit(event) },
        element("header", { class: "dialog-head" }, this.heading, iconButton("close", "Close", () => this.close())),
        element(
          "div",
          { class: "dialog-body load-body" },
          element("div", { class: "load-options" }, this.engineLine, this.form.node),
          element("div", { class: "load-outlook" }, this.estimate.node),
        ),
        this.problem,
        element(
          "footer",
          { class: "dialog-foot" },
          element("button", { type: "button", class: "quiet-button", text: "Cancel", onclick: () => this.close() }),
          this.button,
        ),
      ),
    );
    this.node.addEventListener("close", () => this.onClosed());
    // A press on what lies around the dialog closes it, one that began inside does not.
    this.node.addEventListener("pointerdown", (event) => event.target === this.node && this.close());
  }

  async open(model) {
    this.model = model;
    this.cameFrom = document.activeElement;
    this.heading.textContent = `Load ${model.title}`;
    this.say("");
    this.form.clear();
    this.estimate.wait();
    if (!this.node.open) this.node.showModal();
    await this.chooseEngine(null);
  }

  close() {
    this.node.close();
  }

  onClosed() {
    clearTimeout(this.timer);
    this.asked += 1;
    this.cameFrom?.focus();
  }

  async chooseEngine(name) {
    const asked = ++this.asked;
    this.button.disabled = true;
    try {
      const form = await this.call("models_form", { model: this.model.id, engine: name });
      if (asked !== this.asked) return;
      this.engine.replaceChildren(...form.engines.map((value) => element("option", { value, text: engineTitle(value) })));
      this.engine.value = form.engine;
      this.engineLine.hidden = form.engines.length < 2;
      this.form.build(form.fields, form.values);
      this.button.disabled = false;
      this.button.focus();
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
    this.button.disabled = true;
    try {
      await this.call("models_load", this.values());
      this.close();
      await this.onLoading();
    } catch (error) {
      if (asked !== this.asked) return;
      if (this.form.explain(error.field, error.message)) this.form.focus(error.field);
      else this.say(error.message);
    } finally {
      this.button.disabled = false;
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
