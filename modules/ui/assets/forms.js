// The parts of forms: labelled fields, lists to choose from, and dialogs that lead the focus back.

import { element } from "./dom.js";

// The help is a description, not a part of the field's name.
export function labelled(label, control, help = "") {
  if (help) control.setAttribute("aria-description", help);
  return element(
    "div",
    { class: "labelled" },
    element("label", { class: "labelled" }, element("span", { class: "label", text: label }), control),
    help ? element("span", { class: "fine", "aria-hidden": "true", text: help }) : null,
  );
}

// `choices` are pairs of a value and its words.
export function choiceOf(choices, properties = {}) {
  const options = choices.map(([value, text]) => element("option", { value, text }));
  return element("select", { class: "form-field", ...properties }, ...options);
}

export function button(text, action, kind = "quiet-button", properties = {}) {
  return element("button", { type: "button", class: kind, text, onclick: action, ...properties });
}

// A place for the one sentence that says what is wrong with a form; `field` names the input it is about.
export class FormError {
  constructor(fields = {}) {
    this.fields = fields;
    this.node = element("p", { class: "form-error", role: "alert", hidden: true });
  }

  show(error) {
    this.clear();
    this.node.textContent = error.message;
    this.node.hidden = false;
    const field = this.fields[error.field];
    field?.setAttribute("aria-invalid", "true");
    field?.focus();
  }

  clear() {
    this.node.hidden = true;
    for (const field of Object.values(this.fields)) field.removeAttribute("aria-invalid");
  }
}

export class Dialog {
  constructor(title, ...content) {
    this.heading = element("h2", { dir: "auto" });
    const close = element("button", { type: "button", class: "dialog-close", "aria-label": "Close", text: "×", onclick: () => this.close() });
    this.node = element("dialog", { class: "dialog" }, element("div", { class: "dialog-head" }, this.heading, close), ...content);
    this.title = title;
    this.node.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || event.defaultPrevented) return;
      // The page's own Escape stops a reply, which is not meant here.
      event.preventDefault();
      this.close();
    });
  }

  set title(text) {
    this.heading.textContent = text;
    this.node.setAttribute("aria-label", text);
  }

  open() {
    if (!this.node.open) this.node.showModal();
  }

  close() {
    this.node.close();
  }
}
