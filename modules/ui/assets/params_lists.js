// Lists as rows, each with a button that takes it away: texts, token ids, and biases of tokens.

import { element, iconButton } from "./dom.js";
import { button } from "./forms.js";
import { escaped, unescaped } from "./params_words.js";

class Rows {
  constructor(field, id, onChange, addWords) {
    Object.assign(this, { field, id, onChange });
    this.isGroup = true;
    this.list = element("div", { class: "knob-rows" });
    this.adder = button(addWords, () => this.add(), "quiet-button knob-add");
    this.node = element("div", { class: "knob-list-field" }, this.list, this.adder);
  }

  get isHeld() {
    return [...this.list.children].some((row) => this.isUnfinished(row));
  }

  // The wrong one, where the browser knows which it is.
  get input() {
    return this.list.querySelector("input:invalid") ?? this.list.querySelector("input");
  }

  fill(rows) {
    this.list.replaceChildren(...rows);
    this.limit();
  }

  rowOf(...inputs) {
    const row = element("div", { class: "knob-row" }, ...inputs);
    row.append(iconButton("close", `Remove from ${this.field.title}`, () => this.remove(row)));
    return row;
  }

  inputOf(type, label, value, properties = {}) {
    return element("input", { type, class: "form-field", "aria-label": `${this.field.title}: ${label}`, value: value ?? "", oninput: () => this.tell(), ...properties });
  }

  add() {
    const row = this.emptyRow();
    this.list.append(row);
    row.querySelector("input").focus();
    this.limit();
  }

  remove(row) {
    row.remove();
    this.limit();
    this.adder.focus();
    this.tell();
  }

  tell() {
    this.onChange(this.value);
  }

  limit() {
    this.adder.hidden = this.field.limit !== undefined && this.list.children.length >= this.field.limit;
  }

  inputs() {
    return [...this.list.querySelectorAll("input")];
  }

  isUnfinished(row) {
    return [...row.querySelectorAll("input")].some((input) => input.value === "");
  }

  setDisabled(isDisabled) {
    for (const one of this.node.querySelectorAll("input, button")) one.disabled = isDisabled;
  }
}

// A line break is written \n, as it cannot be typed here.
export class TextsField extends Rows {
  constructor(field, id, onChange) {
    super(field, id, onChange, "Add a text");
  }

  show(value) {
    this.fill(value.map((text) => this.emptyRow(text)));
  }

  emptyRow(text = "") {
    return this.rowOf(this.inputOf("text", "text", escaped(text), { dir: "auto", spellcheck: false, placeholder: "\\n is a line break" }));
  }

  get value() {
    return this.inputs().map((input) => unescaped(input.value)).filter(Boolean);
  }
}

export class IdsField extends Rows {
  constructor(field, id, onChange) {
    super(field, id, onChange, "Add a token id");
  }

  show(value) {
    this.fill(value.map((one) => this.emptyRow(one)));
  }

  emptyRow(one) {
    return this.rowOf(this.inputOf("number", "token id", one, { min: 0, step: 1, placeholder: "Token id" }));
  }

  get value() {
    return this.inputs().filter((input) => input.value !== "").map((input) => Number(input.value));
  }
}

export class BiasField extends Rows {
  constructor(field, id, onChange) {
    super(field, id, onChange, "Add a token");
  }

  show(value) {
    this.fill(Object.entries(value ?? {}).map(([token, bias]) => this.emptyRow(token, bias)));
  }

  emptyRow(token, bias) {
    return this.rowOf(
      this.inputOf("number", "token id", token, { min: 0, step: 1, placeholder: "Token id" }),
      this.inputOf("number", "bias from -100 to 100", bias, { min: -100, max: 100, step: 0.1, placeholder: "-100 to 100" }),
    );
  }

  get value() {
    const pairs = [...this.list.children].filter((row) => !this.isUnfinished(row)).map((row) => [...row.querySelectorAll("input")].map((input) => input.value));
    return pairs.length ? Object.fromEntries(pairs.map(([token, bias]) => [token, Number(bias)])) : null;
  }
}
