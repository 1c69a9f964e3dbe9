// Several continuations side by side, while they are written and until one is picked.

import { element } from "./dom.js";
import { button } from "./forms.js";

const ENDINGS = { complete: "", stopped: "Stopped", failed: "Failed" };

export class Continuations {
  constructor({ onPick, onLeave }) {
    Object.assign(this, { onPick, onLeave });
    this.cards = new Map();
    this.row = element("div", { class: "continuation-row" });
    this.node = element(
      "section",
      { class: "continuations", "aria-label": "Continuations", hidden: true },
      element(
        "div",
        { class: "continuations-head" },
        element("h2", { text: "Pick a continuation" }),
        button("Keep none for now", () => onLeave(), "quiet-button", { title: "All of them stay among the branches" }),
      ),
      this.row,
    );
  }

  get versions() {
    return [...this.cards.keys()];
  }

  clear() {
    this.cards.clear();
    this.row.replaceChildren();
    this.node.hidden = true;
  }

  begin({ version, prefix }) {
    const old = this.cards.get(version);
    if (old) {
      old.text.textContent = prefix;
      return;
    }
    const number = this.cards.size + 1;
    const text = element("div", { class: "continuation-text", dir: "auto", tabIndex: 0, text: prefix });
    const state = element("span", { class: "fine" });
    const pick = button(`Use ${number}`, () => this.onPick(version), "quiet-button pick");
    const node = element("article", { class: "continuation", "aria-label": `Continuation ${number}` }, text, element("div", { class: "continuation-foot" }, pick, state));
    this.cards.set(version, { node, text, state, pick });
    this.row.append(node);
    this.node.hidden = false;
  }

  say({ version }, words) {
    this.cards.get(version).state.textContent = words;
  }

  grow({ version }, text) {
    const { text: box } = this.cards.get(version);
    const wasAtEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 40;
    box.append(text);
    if (wasAtEnd) box.scrollTop = box.scrollHeight;
  }

  // Where nothing was written there is nothing to pick.
  end({ version }, event) {
    const card = this.cards.get(version);
    card.state.textContent = event.error || ENDINGS[event.state];
    card.pick.disabled = event.version === null;
    if (event.version === null && !event.error) card.state.textContent = "Nothing was written.";
  }
}
