// An extension's tab as one of the page's views.

import { element } from "./dom.js";
import { PartsView } from "./extension_parts.js";

export class ExtensionTab {
  constructor(view, { key, conversation }) {
    Object.assign(this, { view, key });
    this.parts = new PartsView(view, conversation);
    this.heading = element("h1", { tabIndex: -1, dir: "auto", text: view.title });
    this.node = element("section", { class: "view extension-tab away", "aria-label": view.title }, element("div", { class: "extensions-body" }, this.heading, this.parts.node));
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
