// A model's call of a tool: what it is given, whether it may run, and what came of it.

import { element } from "./dom.js";

const STATES = {
  waiting: () => "May it run?",
  running: () => "Running…",
  done: (call) => `Done in ${secondsText(call.seconds)}`,
  failed: () => "Failed",
  declined: () => "Declined",
  cancelled: () => "Cancelled",
  interrupted: () => "Interrupted: the program ended",
};

export class ToolCard {
  // Without `onDecide` and `onCancel` it only shows what has ended.
  constructor(call, { onDecide, onCancel } = {}) {
    Object.assign(this, { onDecide, onCancel });
    this.state = element("span", { class: "tool-state", role: "status" });
    this.details = element("div", { class: "tool-details" });
    this.fold = element("details", {}, element("summary", {}, element("span", { class: "tool-name", text: call.name }), this.state), this.details);
    this.buttons = element("div", { class: "tool-buttons" });
    const from = call.extension ? ` of ${call.extension}` : "";
    this.node = element("section", { "data-call": call.id, "aria-label": `Tool ${call.name}${from}` }, this.fold, this.buttons);
    this.show(call);
  }

  show(call) {
    const hadFocus = this.buttons.contains(document.activeElement);
    this.node.className = `tool-call ${call.state}`;
    this.state.textContent = STATES[call.state](call);
    this.details.replaceChildren(...this.parts(call));
    // What a person decides about is open, and so is what went wrong.
    if (call.state === "waiting" || call.state === "failed") this.fold.open = true;
    this.buttons.replaceChildren(...this.choices(call));
    this.buttons.hidden = !this.buttons.childElementCount;
    if (hadFocus) (this.buttons.querySelector("button") ?? this.fold.firstElementChild).focus();
  }

  parts(call) {
    const rows = argumentRows(call.arguments);
    const given = rows.length
      ? element("dl", { class: "tool-arguments" }, ...rows.flatMap(([name, value]) => [element("dt", { text: name }), element("dd", { dir: "auto", text: value })]))
      : element("p", { class: "fine", text: "Without arguments." });
    const parts = [given];
    if (call.result) parts.push(element("pre", { class: "tool-result", dir: "auto", tabIndex: 0, "aria-label": "Result", text: call.result }));
    if (call.error) parts.push(element("p", { class: "tool-error", dir: "auto", text: call.error }));
    return parts;
  }

  choices(call) {
    const button = (text, kind, action) => element("button", { type: "button", class: kind, text, onclick: () => this.press(action) });
    if (call.state === "waiting" && this.onDecide) {
      return [
        button("Once", "strong-button", () => this.onDecide(call.id, "once")),
        button("Always in this conversation", "quiet-button", () => this.onDecide(call.id, "always")),
        button("No", "quiet-button", () => this.onDecide(call.id, "no")),
      ];
    }
    if (call.state === "running" && this.onCancel) return [button("Cancel", "quiet-button", () => this.onCancel(call.id))];
    return [];
  }

  // The next state takes the buttons away; when it could not be said, they can be pressed again.
  async press(action) {
    const buttons = [...this.buttons.children];
    for (const one of buttons) one.setAttribute("aria-disabled", "true");
    if (this.isBusy) return;
    this.isBusy = true;
    await action();
    this.isBusy = false;
    for (const one of buttons) one.removeAttribute("aria-disabled");
  }
}

// Pairs of an argument's name and what it is; what is no object is shown as it is.
function argumentRows(text) {
  try {
    const given = JSON.parse(text);
    return Object.entries(given).map(([name, value]) => [name, typeof value === "string" ? value : JSON.stringify(value)]);
  } catch {
    return [["arguments", text]];
  }
}

function secondsText(seconds) {
  return seconds < 0.1 ? "less than 0.1 s" : `${seconds.toFixed(1)} s`;
}
