// What could have stood in the place of a token: its alternatives with their probabilities, one click to go on from there.

import { element, icon } from "./dom.js";
import { percentText, visible } from "./token_pieces.js";

const MARGIN_PX = 8;

export class TokenChoices {
  // `ask` brings a token with its alternatives; `onPick` is told the place of the one that was chosen.
  constructor({ ask, toasts, onPick, onClose }) {
    Object.assign(this, { ask, toasts, onPick, onClose });
    this.node = element("div", { class: "token-choices", role: "dialog", "aria-label": "What could stand here", hidden: true });
    this.node.addEventListener("keydown", (event) => this.onKey(event));
    document.addEventListener("pointerdown", (event) => {
      if (!event.composedPath().includes(this.node)) this.hide();
    });
  }

  async open(piece, anchor) {
    this.piece = piece;
    try {
      const answer = await this.ask(piece);
      if (this.piece === piece) this.show(answer, anchor);
    } catch (error) {
      this.toasts.error(error);
    }
  }

  show({ token, alternatives }, anchor) {
    const facts = [percentText(token.probability), token.id >= 0 ? `id ${token.id}` : null, `bytes ${spacedBytes(token.bytes)}`];
    const list = element("div", { class: "token-alternatives" }, ...alternatives.map((one, place) => this.choice(one, place, token)));
    this.node.replaceChildren(
      element("p", { class: "token-fact" }, element("bdi", { class: "token-word", text: visible(token.text) }), ` ${facts.filter(Boolean).join(" · ")}`),
      alternatives.length
        ? element("p", { class: "fine", text: "Choose another, and the model goes on from there in a branch." })
        : element("p", { class: "fine", text: "This model's engine does not tell what else could have stood here." }),
      list,
    );
    this.node.hidden = false;
    this.place(anchor);
    const first = list.querySelector("button:enabled");
    if (first) first.focus({ preventScroll: true });
    else this.node.focus();
  }

  choice(one, place, token) {
    const isOwn = one.id === token.id && one.text === token.text;
    return element(
      "button",
      { type: "button", class: "token-choice", disabled: isOwn, "aria-label": `${visible(one.text)}, ${percentText(one.probability)}${isOwn ? ", as it is" : ""}`, onclick: () => this.pick(place) },
      element("bdi", { class: "token-word", text: visible(one.text) }),
      element("span", { class: "token-share" }, element("span", { style: `width: ${one.probability * 100}%` })),
      element("span", { class: "token-percent", text: percentText(one.probability) }),
      isOwn ? icon("check") : null,
    );
  }

  // Below the token, or above it where there is no room; always inside the window.
  place(anchor) {
    const { left, top, bottom } = anchor.getBoundingClientRect();
    const { offsetWidth, offsetHeight } = this.node;
    const below = bottom + MARGIN_PX;
    const y = below + offsetHeight < innerHeight ? below : Math.max(MARGIN_PX, top - MARGIN_PX - offsetHeight);
    const x = Math.max(MARGIN_PX, Math.min(left, innerWidth - offsetWidth - MARGIN_PX));
    this.node.style.left = `${x}px`;
    this.node.style.top = `${y}px`;
  }

  pick(place) {
    const { piece } = this;
    this.hide();
    this.onPick(piece, place);
  }

  hide() {
    this.piece = null;
    if (this.node.hidden) return;
    const hadFocus = this.node.contains(document.activeElement);
    this.node.hidden = true;
    if (hadFocus) this.onClose();
  }

  onKey(event) {
    const choices = [...this.node.querySelectorAll("button:enabled")];
    const place = choices.indexOf(document.activeElement);
    if (event.key === "Escape") this.hide();
    else if (event.key === "ArrowDown") choices[Math.min(place + 1, choices.length - 1)]?.focus();
    else if (event.key === "ArrowUp") choices[Math.max(place - 1, 0)]?.focus();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}

export function spacedBytes(hex) {
  return hex.replace(/(..)(?=.)/g, "$1 ");
}
