// Models that lie elsewhere on this machine: linked or copied.

import { element } from "./dom.js";

export class ImportDialog {
  constructor({ call, toasts, onChange }) {
    Object.assign(this, { call, toasts, onChange });
    this.node = element("dialog");
  }

  show() {}

  hide() {}
}
