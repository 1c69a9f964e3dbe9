// What can be done with an entry, where no pointer hovers over its row.

import { element, icon } from "./dom.js";
import { Dialog } from "./forms.js";

export class EntrySheet {
  constructor() {
    this.list = element("div", { class: "entry-deeds" });
    this.dialog = new Dialog("", this.list);
    this.node = this.dialog.node;
  }

  // `deeds` have a shape, a text and what they do.
  open(title, deeds) {
    this.dialog.title = title;
    this.list.replaceChildren(...deeds.map((deed) => this.button(deed)));
    this.dialog.open();
  }

  button({ shape, text, act }) {
    const onclick = () => {
      this.dialog.close();
      act();
    };
    return element("button", { type: "button", class: "entry-deed", onclick }, icon(shape), element("span", { text }));
  }
}
