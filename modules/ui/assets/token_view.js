// The text with every generated token marked by its probability. Long texts are laid out only where they are seen.

import { element } from "./dom.js";
import { STEPS, percentText, stepOf, visible } from "./token_pieces.js";

const CHUNK_CHARS = 600;
const LONGEST_CHUNK_CHARS = 20_000;
const NEAR_END_PX = 60;
const MOVES = { ArrowRight: 1, ArrowLeft: -1 };

export class TokenView {
  // `onChoose` is told the token that was clicked, or chosen with Enter, and its element.
  constructor({ onChoose }) {
    this.onChoose = onChoose;
    this.active = null;
    this.tail = element("span");
    this.tokens = new WeakMap();
    this.done = new Chunks(this.tokens);
    this.rest = new Chunks(this.tokens);
    this.text = element(
      "div",
      {
        class: "token-text",
        tabIndex: 0,
        role: "group",
        "aria-label": "Text with the probability of every token",
        "aria-description": "Arrow keys move from token to token, Enter shows what could have stood there.",
      },
      this.done.node,
      this.rest.node,
    );
    this.said = element("span", { class: "token-said", "aria-live": "polite", text: matchMedia("(hover: none)").matches ? "Tap a token" : "Point at a token" });
    const legend = STEPS.map(([, name, words]) => element("span", { class: "token-legend" }, element("span", { class: `token ${name}`, text: "ab" }), words));
    this.node = element(
      "div",
      { class: "token-view" },
      this.text,
      element("div", { class: "token-foot" }, this.said, element("span", { class: "token-legends" }, ...legend)),
    );
    this.text.addEventListener("mouseover", (event) => this.tokens.has(event.target) && this.say(event.target));
    this.text.addEventListener("click", (event) => this.tokens.has(event.target) && this.choose(event.target));
    this.text.addEventListener("keydown", (event) => this.onKey(event));
    this.text.addEventListener("blur", () => this.activate(null));
  }

  // `rest` is what stands behind the place where a model writes.
  show(pieces, rest = []) {
    this.keepAtEnd(() => {
      this.tail.remove();
      this.done.show(pieces);
      this.rest.show(rest);
    });
  }

  // `tail` is text whose tokens are still to come.
  append(pieces, tail) {
    this.keepAtEnd(() => {
      this.done.append(pieces);
      this.tail.textContent = tail;
      (this.done.node.lastChild ?? this.done.node).append(this.tail);
    });
  }

  // Only who was at the end stays there.
  keepAtEnd(change) {
    const { scrollHeight, scrollTop, clientHeight } = this.text;
    const wasAtEnd = scrollTop > 0 && scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
    change();
    if (wasAtEnd) this.text.scrollTop = this.text.scrollHeight;
  }

  say(node) {
    const { text, probability } = this.tokens.get(node);
    this.said.replaceChildren(element("bdi", { class: "token-word", text: visible(text) }), ` ${percentText(probability)}`);
  }

  choose(node) {
    this.activate(node);
    this.onChoose(this.tokens.get(node), node);
  }

  activate(node) {
    this.active?.classList.remove("active");
    if (node) {
      this.active = node;
      node.classList.add("active");
      this.say(node);
    }
  }

  // After the person chose: back to where they were.
  focus() {
    this.text.focus({ preventScroll: true });
    if (this.active?.isConnected) this.activate(this.active);
  }

  onKey(event) {
    const all = [...this.text.querySelectorAll(".token")];
    const place = all.indexOf(this.active);
    let next;
    if (event.key in MOVES) next = all[place < 0 ? 0 : Math.min(Math.max(place + MOVES[event.key], 0), all.length - 1)];
    else if (event.key === "Home") next = all[0];
    else if (event.key === "End") next = all.at(-1);
    else if (event.key === "Enter" && !event.ctrlKey && place >= 0) {
      event.preventDefault();
      this.choose(this.active);
      return;
    } else return;
    event.preventDefault();
    if (!next) return;
    this.activate(next);
    next.scrollIntoView({ block: "nearest" });
  }
}

// Pieces in blocks that end with a line, each small enough to be laid out at once.
class Chunks {
  constructor(tokens) {
    this.tokens = tokens;
    this.node = element("div", { class: "token-chunks" });
    this.chunks = [];
  }

  // Blocks that stay as they were keep their elements.
  show(pieces) {
    const wanted = [];
    for (const piece of pieces) put(wanted, piece);
    let same = 0;
    while (same < wanted.length && this.chunks[same]?.key === wanted[same].key) same += 1;
    for (const old of this.chunks.splice(same)) old.node.remove();
    for (const chunk of wanted.slice(same)) this.build(chunk);
  }

  append(pieces) {
    const changed = this.chunks.length - 1;
    for (const piece of pieces) put(this.chunks, piece);
    for (const chunk of this.chunks.slice(Math.max(changed, 0))) this.grow(chunk);
  }

  build(chunk) {
    this.chunks.push(chunk);
    this.grow(chunk);
  }

  grow(chunk) {
    if (!chunk.node) {
      chunk.node = element("div", { class: "token-chunk", dir: "auto" });
      this.node.append(chunk.node);
    }
    chunk.node.append(...chunk.pieces.splice(0).map((piece) => this.nodeOf(piece)));
  }

  nodeOf(piece) {
    if (piece.owner === undefined) return document.createTextNode(piece.text);
    const node = element("span", { class: `token ${stepOf(piece.probability)}`, text: piece.text });
    this.tokens.set(node, piece);
    return node;
  }
}

// `pieces` of a chunk are those that have no element yet; `key` tells one chunk from another.
function put(chunks, piece) {
  for (const part of piece.owner === undefined ? parts(piece.text) : [piece]) {
    let last = chunks.at(-1);
    if (!last || last.isFull) {
      last = { key: "", chars: 0, pieces: [], isFull: false, node: null };
      chunks.push(last);
    }
    last.key += `${part.owner ?? ""}:${part.index ?? ""}:${part.text}\n`;
    last.chars += part.text.length;
    last.pieces.push(part);
    last.isFull = (last.chars > CHUNK_CHARS && part.text.endsWith("\n")) || last.chars > LONGEST_CHUNK_CHARS;
  }
}

// Text that nobody generated, cut after lines.
function parts(text) {
  if (text.length < CHUNK_CHARS) return [{ text }];
  return text.match(/[^\n]{1,2000}\n*|\n+/g).map((part) => ({ text: part }));
}
