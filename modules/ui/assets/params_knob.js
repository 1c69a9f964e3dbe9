// One parameter: its name and control, whether it was changed, what it does, and why it may do nothing here.

import { element, iconButton } from "./dom.js";
import { fieldOf } from "./params_fields.js";

// The whole reason stands in the help: many knobs have it.
const IN_VAIN = "This model's engine does not have it.";
const SET_IN_VAIN = "This model's engine does not have it, and refuses to write until you reset it.";

export class Knob {
  constructor(field, { call, onChange }) {
    this.field = field;
    this.words = `${field.title} ${field.name} ${field.help}`.toLowerCase();
    const id = `knob-${field.name}`;
    this.control = fieldOf(field, id, { call, onChange: (value) => this.changed(value, onChange) });
    this.reason = element("span", { class: "knob-source" });
    this.help = element("p", { class: "knob-help", id: `${id}-help`, hidden: true }, field.help, field.source ? element("span", { class: "knob-source", text: `Formula: ${field.source}` }) : null, this.reason);
    this.helpButton = element("button", { type: "button", class: "knob-help-button", "aria-label": `What is ${field.title}?`, "aria-expanded": "false", "aria-controls": `${id}-help`, text: "?", onclick: () => this.toggleHelp() });
    this.reset = iconButton("retry", `Reset ${field.title}`, () => this.put(this.usual, onChange), "knob-reset");
    this.refusal = element("p", { class: "knob-refusal", id: `${id}-refusal`, hidden: true });
    this.problem = element("p", { class: "option-problem", id: `${id}-problem`, role: "alert", hidden: true });
    const title = this.control.isGroup ? element("span", { class: "knob-title", id: `${id}-title`, text: field.title }) : element("label", { class: "knob-title", for: id, text: field.title });
    const isInline = field.kind === "switch";
    this.node = element(
      "div",
      { class: `knob ${isInline ? "inline" : ""}` },
      element("div", { class: "knob-head" }, title, this.helpButton, element("span", { class: "spacer" }), this.reset, this.control.beside ?? null),
      this.control.node,
      this.problem,
      this.refusal,
      this.help,
    );
    if (this.control.isGroup) {
      this.control.node.setAttribute("role", "group");
      this.control.node.setAttribute("aria-labelledby", `${id}-title`);
    } else this.control.input.setAttribute("aria-describedby", `${id}-problem ${id}-refusal`);
  }

  // What is being typed, and what is wrong, stays as it is, unless something else was chosen meanwhile.
  show(value, usual, refusal, isOther) {
    this.usual = usual;
    this.value = value;
    this.mark();
    const isHeld = this.node.contains(document.activeElement) || this.control.isHeld || this.isWrong;
    if (isOther || !isHeld) this.control.show(value);
    if (isOther) this.explain("");
    this.refuse(refusal);
  }

  refuse(refusal) {
    const isSet = ![this.field.default, this.field.neutral].some((one) => isSame(one, this.value));
    this.refusal.textContent = isSet ? SET_IN_VAIN : IN_VAIN;
    this.refusal.hidden = !refusal;
    this.reason.textContent = refusal;
    this.node.classList.toggle("refused", Boolean(refusal));
    this.control.setDisabled(Boolean(refusal));
  }

  changed(value, onChange) {
    this.value = value;
    this.mark();
    onChange(value);
  }

  put(value, onChange) {
    this.control.show(value);
    this.explain("");
    this.changed(value, onChange);
    (this.control.input ?? this.helpButton).focus();
  }

  mark() {
    this.isChanged = !isSame(this.value, this.usual);
    this.node.classList.toggle("changed", this.isChanged);
    this.reset.hidden = !this.isChanged && !this.isWrong;
  }

  toggleHelp() {
    this.help.hidden = !this.help.hidden;
    this.helpButton.setAttribute("aria-expanded", String(!this.help.hidden));
  }

  get isWrong() {
    return !this.problem.hidden;
  }

  explain(message) {
    this.problem.textContent = message;
    this.problem.hidden = !message;
    this.reset.hidden = !this.isChanged && !message;
    this.wrong?.removeAttribute("aria-invalid");
    this.wrong = message ? this.control.input : null;
    this.wrong?.setAttribute("aria-invalid", "true");
  }
}

function isSame(one, other) {
  return JSON.stringify(one) === JSON.stringify(other);
}
