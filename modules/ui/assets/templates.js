// The Templates view: a template filled in and asked once, or over all rows of a file.

import { control } from "./control.js";
import { element } from "./dom.js";
import { button, choiceOf, labelled } from "./forms.js";
import { RunDialog } from "./run_dialog.js";
import { RunList } from "./runs.js";
import { TemplateEditor } from "./template_editor.js";
import { TemplateForm } from "./template_form.js";
import { TemplateResult } from "./template_result.js";

export class TemplatesView {
  constructor({ toasts, picker }) {
    Object.assign(this, { toasts, picker });
    this.templates = [];
    this.chosen = "";
    // Counts what was asked: the form is made by the last answer alone.
    this.asked = 0;
    this.choice = choiceOf([], { onchange: () => this.choose(this.choice.value) });
    this.description = element("p", { class: "fine" });
    this.form = new TemplateForm({ onSubmit: () => (this.result.isRunning ? this.result.stop() : this.run()) });
    this.result = new TemplateResult({ toasts, onEnd: () => this.markRunning(false) });
    this.editor = new TemplateEditor({ toasts, onSaved: (name) => this.showSaved(name) });
    this.runs = new RunList({ toasts });
    this.runner = new RunDialog({ toasts, onBegun: () => this.showRuns() });
    this.runButton = element("button", { type: "submit", class: "strong-button", text: "Run" });
    this.overFile = button("Run over a file …", () => this.runner.show(this.listed, this.form.values, this.picker.current));
    this.form.deeds.append(this.runButton, this.overFile);
    this.edit = button("Edit", () => this.openEditor(this.listed));
    this.node = element(
      "section",
      { class: "view templates-view away", "aria-label": "Templates" },
      element(
        "div",
        { class: "templates-body" },
        element("h1", { text: "Templates" }),
        element("div", { class: "template-choice" }, labelled("Template", this.choice), this.edit, button("New", () => this.openEditor())),
        this.description,
        this.form.node,
        this.result.node,
        this.runs.node,
      ),
      this.editor.node,
      this.runner.node,
    );
  }

  // --- as one of the page's views ---

  get address() {
    return this.chosen ? `?view=templates&template=${encodeURIComponent(this.chosen)}` : "?view=templates";
  }

  get title() {
    return "Templates";
  }

  // What was just begun stands first among them.
  async showRuns() {
    await this.runs.look();
    this.runs.node.scrollIntoView({ block: "nearest" });
  }

  show() {
    this.runs.show();
    if (!this.templates.length) this.look();
  }

  hide() {
    this.runs.hide();
  }

  focus() {
    this.form.focus();
  }

  stop() {
    this.result.stop();
  }

  async openAddress(parameters) {
    await this.look(parameters.get("template") ?? this.chosen);
  }

  async onReturn() {
    await this.runs.look();
  }

  // --- templates ---

  get listed() {
    return this.templates.find((one) => one.name === this.chosen);
  }

  async look(name = this.chosen) {
    this.chosen = name;
    const asked = ++this.asked;
    try {
      const { prompts } = await control("prompts");
      if (asked !== this.asked) return;
      this.templates = prompts;
    } catch (error) {
      this.toasts.error(error);
      return;
    }
    const own = this.templates.filter((one) => !one.is_shipped);
    const shipped = this.templates.filter((one) => one.is_shipped);
    this.choice.replaceChildren(...[["Yours", own], ["Shipped", shipped]].filter(([, some]) => some.length).map(([label, some]) => groupOf(label, some)));
    if (!this.listed) this.chosen = this.templates[0]?.name ?? "";
    this.choice.value = this.chosen;
    this.showChosen();
  }

  choose(name) {
    this.chosen = name;
    history.replaceState(null, "", this.address);
    this.result.clear();
    this.showChosen();
  }

  // A result is another template's where that was saved under a name of its own.
  async showSaved(name) {
    if (name !== this.chosen) this.result.clear();
    await this.look(name);
    history.replaceState(null, "", this.address);
  }

  showChosen() {
    const { listed } = this;
    const isUsable = Boolean(listed?.template);
    this.description.textContent = listed?.problem || listed?.template?.description || "";
    this.description.classList.toggle("form-error", Boolean(listed?.problem));
    this.form.node.hidden = !isUsable;
    this.edit.disabled = !listed;
    if (!isUsable) return;
    this.form.show(listed.template);
    this.markRunning(this.result.isRunning);
  }

  async openEditor(listed) {
    try {
      await this.editor.show(listed);
    } catch (error) {
      this.toasts.error(error);
    }
  }

  async run() {
    const { name, template } = this.listed;
    this.form.error.clear();
    this.markRunning(true);
    try {
      await this.result.run(template, { name, variables: this.form.values, model: this.picker.current });
    } catch (error) {
      this.form.error.show(error);
    }
  }

  markRunning(isRunning) {
    this.runButton.textContent = isRunning ? "Stop" : "Run";
  }
}

function groupOf(label, some) {
  return element("optgroup", { label }, ...some.map((one) => element("option", { value: one.name, text: one.template?.title || one.name })));
}
