// A template's variables as fields of a form.

import { element } from "./dom.js";
import { choiceOf, FormError, labelled } from "./forms.js";

const KEPT_UNDER = "template-values";
const LINES = { long_text: 7, list: 3, schema: 9 };

export class TemplateForm {
  constructor({ onSubmit }) {
    // What was typed, by the variable's name: another template that asks for the same has it already, and so has the
    // page when it is loaded again.
    this.typed = new Map(JSON.parse(sessionStorage.getItem(KEPT_UNDER) ?? "[]"));
    window.addEventListener("pagehide", () => this.keep());
    this.fields = {};
    this.body = element("div", { class: "template-fields" });
    this.error = new FormError();
    this.deeds = element("div", { class: "template-deeds" });
    const onsubmit = (event) => {
      event.preventDefault();
      onSubmit();
    };
    this.node = element("form", { class: "template-form", onsubmit }, this.body, this.error.node, this.deeds);
  }

  show(template) {
    this.error.clear();
    this.fields = Object.fromEntries(template.variables.map((variable) => [`variables.${variable.name}`, this.fieldOf(variable)]));
    this.error.fields = this.fields;
    this.body.replaceChildren(...template.variables.map((one) => labelled(one.label || one.name, this.fields[`variables.${one.name}`], one.help)));
  }

  get values() {
    return Object.fromEntries(Object.entries(this.fields).map(([name, field]) => [name.slice("variables.".length), field.value]));
  }

  // Where there is no room for it, it was not to be.
  keep() {
    try {
      sessionStorage.setItem(KEPT_UNDER, JSON.stringify([...this.typed]));
    } catch {
      sessionStorage.removeItem(KEPT_UNDER);
    }
  }

  focus() {
    Object.values(this.fields)[0]?.focus();
  }

  fieldOf({ name, kind, choices, default: given }) {
    const properties = { class: "form-field", name, required: given === null, dir: "auto" };
    const field =
      kind === "choice"
        ? choiceOf(choices.map((one) => [one, one]), properties)
        : element(kind === "text" ? "input" : "textarea", { ...properties, ...(LINES[kind] ? { rows: LINES[kind] } : { type: "text" }) });
    if (kind === "schema") field.classList.add("code-field");
    const typed = this.typed.get(name);
    const start = kind === "choice" && !choices.includes(typed) ? given : typed ?? given;
    if (start !== null && start !== undefined) field.value = start;
    field.addEventListener("input", () => this.typed.set(name, field.value));
    return field;
  }
}
