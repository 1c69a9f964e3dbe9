// The head of the Notebook: the document's title and folder, and what can be done with it as a whole.

import { element, icon, iconButton } from "./dom.js";
import { exportLinks } from "./exports.js";
import { Menu, menuItem } from "./menu.js";

const TITLE_CHARS = 200;

export class NotebookHead {
  constructor({ onRename, onMove, onPanel, onToChat }) {
    Object.assign(this, { onRename, onMove, onPanel, onToChat });
    this.title = element("input", { class: "notebook-title", "aria-label": "Title", placeholder: "New document", maxLength: TITLE_CHARS, dir: "auto" });
    this.title.addEventListener("keydown", (event) => this.onKey(event));
    this.title.addEventListener("blur", () => this.finish());
    this.folderName = element("span", { dir: "auto" });
    this.folder = element("button", { type: "button", class: "notebook-folder", onclick: () => onMove() }, icon("folder"), this.folderName);
    // Places for panels of their own: parameters and prompt templates.
    this.tools = element("div", { class: "notebook-tools" });
    this.panelButton = iconButton("panel", "Branches, versions and memory", () => onPanel());
    this.more = new Menu(iconButton("more", "More", () => {}), () => this.items(), { label: "More" });
    this.node = element(
      "header",
      { class: "notebook-head" },
      this.title,
      this.folder,
      element("span", { class: "spacer" }),
      this.tools,
      this.panelButton,
      this.more.node,
    );
  }

  show(document_) {
    this.document = document_;
    if (document.activeElement !== this.title) this.title.value = document_.title;
    this.title.disabled = this.folder.disabled = !document_.id;
    const words = document_.folder || "No folder";
    this.folderName.textContent = words;
    this.folder.setAttribute("aria-label", `Folder: ${words}. Move`);
    this.folder.title = `${words}. Click to move`;
  }

  items() {
    const { id } = this.document;
    const none = menuItem("Write something first", () => {}, { disabled: true });
    return [
      menuItem("Send to chat", () => this.onToChat()),
      element("p", { class: "menu-group", text: "Save as a file" }),
      ...(id ? exportLinks("documents", id) : [none]),
    ];
  }

  onKey(event) {
    if (event.key === "Enter" && !event.isComposing) this.title.blur();
    else if (event.key === "Escape") {
      event.preventDefault();
      this.title.value = this.document.title;
      this.title.blur();
    }
  }

  finish() {
    const title = this.title.value.trim();
    if (title && title !== this.document.title) this.onRename(title);
    else this.title.value = this.document.title;
  }
}
