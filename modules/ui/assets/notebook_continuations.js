// Several continuations side by side, while they are written and until one is picked.

import { element } from "./dom.js";
import { button } from "./forms.js";

const ENDINGS = { complete: "", stopped: "Stopped", failed: "Failed" };
const NOTHING = "Nothing was written.";

export class Continuations {
  // `onNothing` is told why a card is gone whose model wrote nothing.
  constructor({ onPick, onLeave, onNothing }) {
    Object.assign(this, { onPick, onLeave, onNothing });
    this.cards = new Map();
    this.begun = 0;
    // The version whose text they continue.
    this.base = null;
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

  // One of those that can be picked, if there is any.
  get example() {
    return this.versions.find((version) => !this.cards.get(version).pick.disabled) ?? null;
  }

  has(version) {
    return this.cards.has(version);
  }

  startAfter(base) {
    this.clear();
    this.base = base;
  }

  clear() {
    this.cards.clear();
    this.row.replaceChildren();
    this.node.hidden = true;
    this.begun = 0;
  }

  // Behind another text they make no sense. True when there were some, none of which was picked.
  clearUnlessBehind(version) {
    if (!this.cards.size || version === this.base) return false;
    const isPicked = this.has(version);
    this.clear();
    return !isPicked;
  }

  begin({ version, prefix }) {
    const old = this.cards.get(version);
    if (old) {
      old.text.textContent = prefix;
      return;
    }
    this.begun += 1;
    const number = this.begun;
    const text = element("div", { class: "continuation-text", dir: "auto", tabIndex: 0, text: prefix });
    const state = element("span", { class: "fine" });
    const pick = button(`Use ${number}`, () => this.onPick(version), "quiet-button pick");
    const node = element("article", { class: "continuation", "aria-label": `Continuation ${number}` }, text, element("div", { class: "continuation-foot" }, pick, state));
    this.cards.set(version, { node, text, state, pick });
    this.row.append(node);
    this.node.hidden = false;
  }

  // What is told of a card that is gone already is not heard any more.

  say({ version }, words) {
    const card = this.cards.get(version);
    if (card) card.state.textContent = words;
  }

  grow({ version }, text) {
    const box = this.cards.get(version)?.text;
    if (!box) return;
    const wasAtEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 40;
    box.append(text);
    if (wasAtEnd) box.scrollTop = box.scrollHeight;
  }

  // Where nothing was written there is nothing to pick.
  end({ version }, event) {
    const card = this.cards.get(version);
    if (!card) return;
    card.state.textContent = event.error || ENDINGS[event.state];
    card.pick.disabled = event.version === null;
    if (event.version === null && !event.error) this.remove(version, event.state);
  }

  remove(version, state) {
    this.cards.get(version).node.remove();
    this.cards.delete(version);
    this.node.hidden = !this.cards.size;
    if (state !== "stopped") this.onNothing(NOTHING);
  }
}
