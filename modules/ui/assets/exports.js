// Saving documents and conversations as files.

import { element } from "./dom.js";
import { Dialog, button } from "./forms.js";

const FORMATS = { txt: "Text", md: "Markdown", html: "HTML", docx: "Word (docx)" };

// `kind` is "documents" or "conversations".
export function exportLinks(kind, id) {
  return Object.entries(FORMATS).map(([format, words]) =>
    element("a", { class: "menu-item", href: `/ui/${kind}/${id}/export?format=${format}`, download: "", text: words }),
  );
}

export class ExportDialog {
  constructor(kind) {
    this.kind = kind;
    this.links = element("div", { class: "export-links", onclick: () => this.dialog.close() });
    this.dialog = new Dialog("", this.links, element("div", { class: "dialog-buttons" }, button("Cancel", () => this.dialog.close())));
    this.node = this.dialog.node;
  }

  open({ id, title }) {
    this.dialog.title = `Save “${title}” as a file`;
    this.links.replaceChildren(...exportLinks(this.kind, id));
    this.dialog.open();
  }
}
