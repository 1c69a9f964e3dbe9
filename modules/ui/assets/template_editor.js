// A template's file, to be changed or written anew.

import { control } from "./control.js";
import { element } from "./dom.js";
import { button, Dialog, FormError, labelled } from "./forms.js";

const NAME_CHARS = 120;
const EXAMPLE = `title: My template
description: What it is for.
variables:
  - name: text
    label: Text
    kind: long_text
prompt: |-
  Text:
  {{ text }}

  What shall be done with it?
parameters:
  temperature: 0.3
  max_tokens: 500
`;

export class TemplateEditor {
  // `onSaved(name)` after it was saved or deleted.
  constructor({ toasts, onSaved }) {
    Object.assign(this, { toasts, onSaved });
    this.name = element("input", { type: "text", class: "form-field", maxLength: NAME_CHARS, required: true });
    this.text = element("textarea", { class: "form-field code-field", rows: 18, required: true, spellcheck: false });
    this.error = new FormError({ name: this.name, text: this.text });
    this.remove = button("Delete", () => this.delete());
    const onsubmit = (event) => {
      event.preventDefault();
      this.save();
    };
    const form = element(
      "form",
      { class: "editor-form", onsubmit },
      labelled("Name", this.name),
      labelled("File", this.text, "{{ name }} stands for a variable. Saved among your own; what ships stays as it is."),
      this.error.node,
      element("div", { class: "dialog-buttons" }, this.remove, element("button", { type: "submit", class: "strong-button", text: "Save" })),
    );
    this.dialog = new Dialog("Edit template", form);
    this.dialog.node.classList.add("wide");
    this.node = this.dialog.node;
  }

  // Without a name, a new one.
  async show(listed) {
    this.error.clear();
    this.listed = listed;
    this.dialog.title = listed ? "Edit template" : "New template";
    this.remove.hidden = !listed || listed.is_shipped;
    this.remove.textContent = listed?.is_changed ? "As it shipped" : "Delete";
    this.name.value = listed?.name ?? "";
    this.text.value = listed ? (await control("prompts/read", { name: listed.name })).text : EXAMPLE;
    this.dialog.open();
    this.text.setSelectionRange(0, 0);
    (listed ? this.text : this.name).focus();
    this.text.scrollTop = 0;
  }

  async save() {
    const name = this.name.value.trim();
    await this.act("prompts/save", { name, text: this.text.value }, name);
  }

  async delete() {
    const { name } = this.listed;
    const { text } = await control("prompts/read", { name });
    if (!(await this.act("prompts/delete", { name }, name))) return;
    const restore = () => this.act("prompts/save", { name, text }, name);
    this.toasts.show(`${name} was deleted.`, { action: "Undo", onAction: restore });
  }

  async act(path, body, name) {
    this.error.clear();
    try {
      await control(path, body);
      this.dialog.close();
      this.onSaved(name);
      return true;
    } catch (error) {
      this.error.show(error);
      return false;
    }
  }
}
