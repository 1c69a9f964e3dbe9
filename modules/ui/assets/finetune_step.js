// A part of the Finetune page that folds to one line when it is done.

import { element, icon } from "./dom.js";
import { FormError } from "./forms.js";

export class Step {
  constructor(number, title, ...content) {
    this.summary = element("span", { class: "step-summary", dir: "auto" });
    this.error = new FormError();
    this.body = element("div", { class: "step-body", id: `finetune-step-${number}` }, ...content, this.error.node);
    this.head = element(
      "button",
      { type: "button", class: "step-head", "aria-controls": this.body.id, onclick: () => this.fold(!this.body.hidden) },
      element("span", { class: "step-number", "aria-hidden": "true", text: String(number) }),
      element("span", { class: "step-title", text: title }),
      this.summary,
      icon("down"),
    );
    this.node = element("section", { class: "step", "aria-label": title }, element("h2", {}, this.head), this.body);
    this.fold(false);
  }

  // `summary` is what was chosen; empty while it is open what will be.
  tell(summary) {
    this.summary.textContent = summary;
    if (summary) this.error.clear();
    this.node.classList.toggle("done", Boolean(summary));
  }

  // Why it cannot be left yet.
  refuse(message) {
    this.error.show({ message });
  }

  fold(isFolded) {
    this.body.hidden = isFolded;
    this.head.setAttribute("aria-expanded", String(!isFolded));
  }

  open() {
    this.fold(false);
    this.head.focus();
  }
}
