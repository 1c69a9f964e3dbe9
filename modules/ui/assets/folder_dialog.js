// The dialog that asks for a folder: one there is, or a new one.

import { element } from "./dom.js";
import { Dialog, button, labelled } from "./forms.js";

const PATH_CHARS = 500;

export class FolderDialog {
  // `knownId` is the id of the list of folders there are.
  constructor(knownId) {
    this.known = element("datalist", { id: knownId });
    this.field = element("input", { class: "form-field", maxLength: PATH_CHARS, dir: "auto" });
    this.field.setAttribute("list", this.known.id);
    this.submit = button("Move", () => this.finish(this.field.value), "strong-button");
    this.field.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.isComposing) return;
      event.preventDefault();
      this.finish(this.field.value);
    });
    const cancel = button("Cancel", () => this.dialog.close());
    this.dialog = new Dialog(
      "",
      labelled("Folder", this.field, "Empty for none. Write Stories/Drafts for a folder within a folder."),
      this.known,
      element("div", { class: "dialog-buttons" }, cancel, this.submit),
    );
    this.dialog.node.addEventListener("close", () => this.answer?.(null));
    this.node = this.dialog.node;
  }

  // The path as it was written, or null when the person left.
  ask(title, folder, folders, word) {
    this.dialog.title = title;
    this.field.value = folder;
    this.submit.textContent = word;
    this.known.replaceChildren(...folders.map((value) => element("option", { value })));
    this.dialog.open();
    this.field.select();
    return new Promise((answer) => (this.answer = answer));
  }

  finish(folder) {
    this.answer(folder.trim());
    this.dialog.close();
  }
}
