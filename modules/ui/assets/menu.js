// A button that opens a list of things to do.

import { element } from "./dom.js";

export class Menu {
  // `opener` is the button; `items` gives what is offered now: elements, usually of menuItem.
  constructor(opener, items, { label, side = "right" }) {
    Object.assign(this, { opener, items });
    opener.setAttribute("aria-haspopup", "true");
    opener.setAttribute("aria-expanded", "false");
    opener.addEventListener("click", () => this.toggle());
    this.panel = element("div", { class: `menu-panel ${side}`, role: "group", "aria-label": label, hidden: true });
    this.node = element("div", { class: "menu" }, opener, this.panel);
    this.node.addEventListener("keydown", (event) => this.onKey(event));
    document.addEventListener("click", (event) => {
      if (!event.composedPath().includes(this.node)) this.close();
    });
    this.panel.addEventListener("click", (event) => event.target.closest("button, a") && !event.target.closest("[data-stays]") && this.close());
  }

  toggle() {
    if (!this.panel.hidden) {
      this.close();
      return;
    }
    this.panel.replaceChildren(...this.items());
    this.panel.hidden = false;
    this.opener.setAttribute("aria-expanded", "true");
    this.choices()[0]?.focus();
  }

  close() {
    if (this.panel.hidden) return;
    const hadFocus = this.panel.contains(document.activeElement);
    this.panel.hidden = true;
    this.opener.setAttribute("aria-expanded", "false");
    if (hadFocus) this.opener.focus();
  }

  choices() {
    return [...this.panel.querySelectorAll("button:enabled, a")];
  }

  onKey(event) {
    if (this.panel.hidden) return;
    const choices = this.choices();
    const place = choices.indexOf(document.activeElement);
    if (event.key === "Escape") this.close();
    else if (event.key === "ArrowDown") choices[(place + 1) % choices.length]?.focus();
    else if (event.key === "ArrowUp") choices.at((place - 1) % choices.length)?.focus();
    else return;
    event.preventDefault();
  }
}

export function menuItem(text, action, { hint = "", disabled = false } = {}) {
  return element(
    "button",
    { type: "button", class: "menu-item", disabled, onclick: action },
    element("span", { text }),
    hint ? element("span", { class: "menu-hint", text: hint }) : null,
  );
}
