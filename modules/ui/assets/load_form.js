// The options of an engine as fields, made from its declaration.

import { element } from "./dom.js";

export class OptionForm {
  constructor({ onInput }) {
    this.onInput = onInput;
    this.lines = new Map();
    this.simple = element("div", { class: "options" });
    this.more = element("div", { class: "options" });
    this.advanced = element("details", { class: "advanced", hidden: true }, element("summary", { text: "Advanced" }), this.more);
    this.node = element("div", {}, this.simple, this.advanced);
  }

  clear() {
    this.build([], {});
  }

  // `values` are those that are set; all others are left to the program.
  build(fields, values) {
    this.lines = new Map(fields.map((field) => [field.name, new OptionLine(field, values[field.name], this.onInput)]));
    const lines = [...this.lines.values()];
    this.simple.replaceChildren(...lines.filter((line) => !line.field.advanced).map((line) => line.node));
    this.more.replaceChildren(...lines.filter((line) => line.field.advanced).map((line) => line.node));
    this.advanced.hidden = !this.more.children.length;
    this.advanced.open = fields.some((field) => field.advanced && field.name in values);
  }

  values() {
    const set = [...this.lines].map(([name, line]) => [name, line.value]).filter(([, value]) => value !== undefined);
    return Object.fromEntries(set);
  }

  // `field` is the program's name of the wrong one, such as options.context_length. True when it is here.
  explain(field, message) {
    const name = field?.replace(/^options\./, "");
    for (const [own, line] of this.lines) line.explain(own === name ? message : "");
    const wrong = this.lines.get(name);
    if (wrong?.field.advanced) this.advanced.open = true;
    return Boolean(wrong);
  }

  focus(field) {
    this.lines.get(field.replace(/^options\./, "")).input.focus();
  }
}

class OptionLine {
  constructor(field, value, onInput) {
    this.field = field;
    const id = `option-${field.name}`;
    this.input = MAKERS[field.kind](field, value);
    Object.assign(this.input, { id, oninput: onInput });
    this.help = element("p", { class: "option-help", id: `${id}-help`, text: field.help });
    this.problem = element("p", { class: "option-problem", id: `${id}-problem`, role: "alert", hidden: true });
    this.input.setAttribute("aria-describedby", `${id}-help ${id}-problem`);
    const label = element("label", { for: id, text: field.label });
    this.node = element("div", { class: "option" }, label, this.input, this.help, this.problem);
  }

  // Undefined where the program chooses.
  get value() {
    const { field, input } = this;
    if (field.kind === "switch") return input.checked === field.default ? undefined : input.checked;
    // What is no number has no value; the program says what is wrong with it.
    if (input.validity.badInput) return "?";
    if (input.value === "") return undefined;
    if (field.kind === "number") return Number(input.value);
    return input.value === field.default ? undefined : input.value;
  }

  explain(message) {
    this.problem.textContent = message;
    this.problem.hidden = !message;
    if (message) this.input.setAttribute("aria-invalid", "true");
    else this.input.removeAttribute("aria-invalid");
  }
}

const MAKERS = {
  number: ({ minimum, maximum, automatic }, value) =>
    element("input", { type: "number", inputMode: "numeric", min: minimum, max: maximum, step: 1, placeholder: automatic, value: value ?? "" }),
  text: ({ automatic, max_length: maxLength }, value) => element("input", { type: "text", maxLength, placeholder: automatic, value: value ?? "", dir: "auto" }),
  switch: ({ default: usual }, value) => element("input", { type: "checkbox", class: "switch", role: "switch", checked: value ?? usual }),
  choice: ({ choices, default: usual }, value) => {
    const input = element("select", { class: "select" }, ...choices.map((one) => element("option", { value: one.value, text: one.text })));
    input.value = value ?? usual;
    return input;
  },
};
