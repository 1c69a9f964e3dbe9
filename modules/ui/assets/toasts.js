// Short notices over the page; one may offer an action, such as undoing.

import { element } from "./dom.js";

const SECONDS = 8;
// What keeps the page from the program altogether is no passing notice.
const CUT_OFF = new Set(["unreachable", "signed_out"]);
// What went wrong must not pass unread.
const ERROR_SECONDS = 20;

export class Toasts {
  constructor({ onCutOff }) {
    this.onCutOff = onCutOff;
    this.node = element("div", { class: "toasts", popover: "manual" });
  }

  // The same words again take the place of those that stand there.
  show(text, { action, onAction, isError = false } = {}) {
    const toast = element("div", { class: isError ? "toast error" : "toast", role: isError ? "alert" : "status" });
    toast.append(element("span", { text }));
    for (const old of [...this.node.children]) if (old.firstChild.textContent === text) old.remove();
    const leave = () => toast.remove();
    if (action) {
      const act = () => {
        leave();
        onAction();
      };
      toast.append(element("button", { type: "button", class: "toast-action", text: action, onclick: act }));
    }
    toast.append(element("button", { type: "button", class: "toast-close", "aria-label": "Dismiss", text: "×", onclick: leave }));
    this.node.append(toast);
    this.raise();
    setTimeout(leave, (isError ? ERROR_SECONDS : SECONDS) * 1000);
  }

  // Above everything else. Outside of a modal dialog nothing can be pressed, so that they move into it meanwhile.
  raise() {
    if (!this.node.isConnected) return;
    this.home ??= this.node.parentNode;
    const dialog = [...document.querySelectorAll("dialog:modal")].at(-1);
    const place = dialog ?? this.home;
    if (this.node.parentNode !== place) {
      place.append(this.node);
      dialog?.addEventListener("close", () => this.raise(), { once: true });
    }
    if (this.node.matches(":popover-open")) this.node.hidePopover();
    this.node.showPopover();
  }

  error(error) {
    if (CUT_OFF.has(error.code)) this.onCutOff(error);
    else this.show(error.message, { isError: true });
  }
}
