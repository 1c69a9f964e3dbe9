// An extension's tab as one of the page's views.

import { element } from "./dom.js";
import { PartsView } from "./extension_parts.js";

export class ExtensionTab {
  constructor(view, { key, conversation }) {
    this.key = key;
    this.parts = new PartsView(view, conversation);
    this.heading = element("h1", { tabIndex: -1, dir: "auto" });
    this.node = element("section", { class: "view extension-tab away" }, element("div", { class: "extensions-body" }, this.heading, this.parts.node));
    this.take(view);
  }

  // Another version of the extension may call it otherwise.
  take(view) {
    this.view = view;
    this.parts.view = view;
    this.heading.textContent = view.title;
    this.node.setAttribute("aria-label", view.title);
  }

  get address() {
    return `?view=${encodeURIComponent(this.key)}`;
  }

  get title() {
    return this.view.title;
  }

  show() {
    if (this.isShown) return;
    this.isShown = true;
    this.parts.refresh();
  }

  hide() {
    this.isShown = false;
  }

  focus() {
    this.heading.focus({ preventScroll: true });
  }

  async openAddress() {}

  async onReturn() {
    await this.parts.refresh();
  }
}
