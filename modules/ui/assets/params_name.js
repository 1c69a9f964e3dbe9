// Asks for a preset's name, and for what it is good for, until the program takes it.

import { element } from "./dom.js";
import { button, Dialog, FormError, labelled } from "./forms.js";

const NAME_CHARS = 80;

export class NameDialog {
  constructor() {
    this.name = element("input", { type: "text", class: "form-field", dir: "auto", maxLength: NAME_CHARS, oninput: () => this.onName() });
    this.description = element("input", { type: "text", class: "form-field", dir: "auto" });
    this.descriptionLine = labelled("What it is good for (may stay empty)", this.description);
    this.error = new FormError({ name: this.name, new_name: this.name });
    this.note = element("p", { class: "fine", role: "status" });
    this.submitButton = element("button", { type: "submit", class: "strong-button" });
    const form = element(
      "form",
      { class: "name-form", noValidate: true, onsubmit: (event) => this.submit(event) },
      labelled("Name", this.name),
      this.descriptionLine,
      this.note,
      this.error.node,
      element("div", { class: "dialog-buttons" }, button("Cancel", () => this.dialog.close()), this.submitButton),
    );
    this.dialog = new Dialog("", form);
    this.node = this.dialog.node;
  }

  // `act(name, description)` does it; `taken` are names that it would save over.
  open({ title, deed, name, description, taken = [], act }) {
    Object.assign(this, { deed, taken, act });
    this.dialog.title = title;
    this.name.value = name;
    this.descriptionLine.hidden = description === undefined;
    this.description.value = description ?? "";
    this.onName();
    this.dialog.open();
    this.name.focus();
    this.name.select();
  }

  onName() {
    this.error.clear();
    const name = this.name.value.trim();
    const isTaken = this.taken.includes(name);
    this.note.textContent = isTaken ? `There is a preset called ${name}; its values will be replaced.` : "";
    this.note.hidden = !isTaken;
    this.submitButton.textContent = isTaken ? "Replace" : this.deed;
  }

  async submit(event) {
    event.preventDefault();
    const name = this.name.value.trim();
    if (!name) {
      this.error.show({ message: "A name has at least one character.", field: "name" });
      return;
    }
    this.submitButton.disabled = true;
    try {
      await this.act(name, this.description.value.trim());
      this.dialog.close();
    } catch (error) {
      this.error.show(error);
    } finally {
      this.submitButton.disabled = false;
    }
  }
}
