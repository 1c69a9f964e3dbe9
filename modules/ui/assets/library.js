// The models on this machine.

import { element } from "./dom.js";

export class LibraryList {
  constructor({ call, toasts, onChange, onTalk, onImport, onHub }) {
    Object.assign(this, { call, toasts, onChange, onTalk, onImport, onHub });
    this.node = element("section");
  }

  show() {}

  hide() {}

  update(_state) {}
}
