// Servers that answer as this program does, and their models.

import { element } from "./dom.js";

export class ServerList {
  constructor({ call, toasts, onChange }) {
    Object.assign(this, { call, toasts, onChange });
    this.node = element("section");
  }

  show() {}

  hide() {}
}
