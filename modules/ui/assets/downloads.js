// Downloads on their way and past.

import { element } from "./dom.js";

export class DownloadList {
  constructor({ call, toasts, onChange }) {
    Object.assign(this, { call, toasts, onChange });
    this.node = element("section");
  }

  show() {}

  hide() {}
}
