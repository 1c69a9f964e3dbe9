// A model's new name: asked for until the program takes it, or the person gives up.

import { element } from "./dom.js";
import { button, Dialog, FormError, labelled } from "./forms.js";

const NAME_CHARS = 200;

export class RenameDialog {
  // `onRenamed(id)` is told the model's new id.
  constructor({ call, onRenamed }) {
    Object.assign(this, { call, onRenamed });
    this.name = element("input", { type: "text", class: "form-field", dir: "auto", maxLength: NAME_CHARS, spellcheck: false, autocapitalize: "off", oninput: () => this.error.clear() });
    this.error = new FormError({ name: this.name });
    this.where = element("p", { class: "fine" });
    this.submitButton = element("button", { type: "submit", class: "strong-button", text: "Rename" });
    const form = element(
      "form",
      { noValidate: true, onsubmit: (event) => this.submit(event) },
      labelled("New name", this.name),
      this.error.node,
      this.where,
      element("div", { class: "dialog-buttons" }, button("Cancel", () => this.dialog.close()), this.submitButton),
    );
    this.dialog = new Dialog("Rename", form);
    this.node = this.dialog.node;
  }

  open(model) {
    const place = model.id.lastIndexOf("/") + 1;
    this.model = model;
    this.dialog.title = `Rename ${model.title}`;
    this.where.textContent = `${place ? `It stays in the folder ${model.id.slice(0, place - 1)}. ` : ""}Programs that use the API ask for it by its new name.`;
    this.error.clear();
    this.name.value = model.id.slice(place);
    this.dialog.open();
    this.name.focus();
    this.name.select();
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
      const { model } = await this.call("models_rename", { model: this.model.id, new_name: name });
      this.dialog.close();
      await this.onRenamed(model);
    } catch (error) {
      this.error.show(error);
      this.name.focus();
    } finally {
      this.submitButton.disabled = false;
    }
  }
}
