// The panels of extensions beside the chat: one at a time, in a drawer where there is little room.

import { element, iconButton } from "./dom.js";
import { button } from "./forms.js";
import { PartsView } from "./extension_parts.js";

export class ExtensionPanels {
  // `conversation()` is the id of the open one; `onOpen` before a panel takes the place beside the chat.
  constructor({ conversation, onOpen }) {
    Object.assign(this, { conversation, onOpen });
    this.panels = new Map();
    this.current = "";
    this.isOpen = false;
    this.isAllowed = true;
    this.opener = iconButton("panel", "Panels of extensions", () => this.toggle(), "params-opener");
    this.choice = element("div", { class: "segments", role: "group", "aria-label": "Panels" });
    this.body = element("div", { class: "params-body" });
    this.title = element("h2", { dir: "auto" });
    this.node = element(
      "aside",
      { class: "params-panel extension-panel", "aria-label": "Panels of extensions", hidden: true },
      element("div", { class: "params-head" }, this.title, iconButton("close", "Close the panel", () => this.toggle())),
      this.choice,
      this.body,
    );
    this.node.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || event.defaultPrevented) return;
      event.preventDefault();
      this.toggle();
    });
    this.showOpen();
  }

  // Panels that stay keep what was typed in them.
  take(views) {
    const kept = new Map(views.map((view) => [keyOf(view), this.panels.get(keyOf(view)) ?? new PartsView(view, this.conversation)]));
    this.panels = kept;
    if (!kept.has(this.current)) this.current = kept.keys().next().value ?? "";
    this.showOpen();
  }

  // Only chats have panels.
  allow(isAllowed) {
    this.isAllowed = isAllowed;
    this.showOpen();
  }

  toggle() {
    if (!this.isOpen) this.onOpen();
    this.isOpen = !this.isOpen;
    this.showOpen();
    if (this.isOpen) this.node.querySelector("button").focus();
    else this.opener.focus();
  }

  close() {
    this.isOpen = false;
    this.showOpen();
  }

  choose(key) {
    this.current = key;
    this.showOpen();
  }

  // Another conversation is looked at than before.
  follow() {
    const now = this.conversation() ?? "";
    if (now === this.seen || !this.isShown) return;
    this.seen = now;
    this.panels.get(this.current).ask();
  }

  showOpen() {
    const panel = this.panels.get(this.current);
    const has = this.isAllowed && this.panels.size > 0;
    this.isShown = has && this.isOpen;
    this.opener.hidden = !has;
    this.opener.setAttribute("aria-expanded", String(this.isShown));
    this.node.hidden = !this.isShown;
    if (!this.isShown) return;
    this.title.textContent = panel.view.title;
    this.choice.hidden = this.panels.size < 2;
    this.choice.replaceChildren(...[...this.panels].map(([key, one]) => button(one.view.title, () => this.choose(key), "segment", { "aria-pressed": String(key === this.current) })));
    if (this.body.firstChild !== panel.node) this.body.replaceChildren(panel.node);
    this.seen = this.conversation() ?? "";
    panel.refresh();
  }
}

function keyOf({ extension, name }) {
  return `${extension}/${name}`;
}
