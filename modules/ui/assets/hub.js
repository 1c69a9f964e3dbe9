// Models on the hub: found by words, judged for this machine, downloaded.

import { element } from "./dom.js";

export class HubSearch {
  constructor({ call, toasts, onChange }) {
    Object.assign(this, { call, toasts, onChange });
    this.node = element("section");
  }

  show() {}

  hide() {}
}
