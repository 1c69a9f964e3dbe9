// Deleted models: they can be taken back until the trash is emptied.

import { element } from "./dom.js";
import { agoText, bytesText, counted } from "./words.js";

const LINK = "link, nothing on disk is deleted";

export class Trash {
  constructor({ act }) {
    this.act = act;
    this.summary = element("summary");
    this.list = element("ul", { class: "trash-list" });
    this.buttons = element("div", { class: "trash-buttons" });
    this.node = element("details", { class: "trash", hidden: true, ontoggle: () => this.ask(false) }, this.summary, this.list, this.buttons);
  }

  show(trash) {
    const before = JSON.stringify(this.trash);
    this.trash = trash;
    if (before === JSON.stringify(trash)) return;
    this.node.hidden = !trash.length;
    const size = trash.reduce((sum, one) => sum + one.size_bytes, 0);
    this.size = size ? bytesText(size) : "";
    this.summary.textContent = [counted(trash.length, "deleted model"), this.size].filter(Boolean).join(", ");
    this.list.replaceChildren(...trash.map((one) => this.entry(one)));
    this.ask(false);
  }

  entry(one) {
    const restore = () => this.act("models_restore", { trash_id: one.id });
    return element(
      "li",
      {},
      element("span", { class: "trash-name", dir: "auto", text: one.name }),
      element("span", { class: "fine", text: `${one.is_link ? LINK : bytesText(one.size_bytes)}, deleted ${agoText(one.deleted)}` }),
      element("button", { type: "button", class: "quiet-button", "aria-label": `Restore ${one.name}`, text: "Restore", onclick: restore }),
    );
  }

  // Emptying cannot be undone, so it is asked for twice.
  ask(isSure) {
    if (!isSure) {
      this.buttons.replaceChildren(element("button", { type: "button", class: "quiet-button", text: "Empty trash", onclick: () => this.ask(true) }));
      return;
    }
    const keep = element("button", { type: "button", class: "quiet-button", text: "Keep them", onclick: () => this.ask(false) });
    const empty = element("button", { type: "button", class: "quiet-button danger", text: "Delete for good", onclick: () => this.act("models_empty_trash", {}) });
    const words = this.size ? `This frees ${this.size} and cannot be undone.` : "This forgets them and cannot be undone.";
    this.buttons.replaceChildren(element("span", { text: words }), keep, empty);
    keep.focus();
  }
}
