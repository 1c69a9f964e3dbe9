// How long the text is: tokens as the program counted them, estimated between its counts; words and characters.

import { element } from "./dom.js";
import { numberText } from "./words.js";

const PAUSE_MS = 250;
const FIRST_GUESS_CHARS = 4;
const OVER = "The model reads only the end of this text";
const WORD = /[\p{L}\p{N}]+(?:['’][\p{L}\p{N}]+)*/gu;

export class Counts {
  constructor() {
    this.node = element("p", { class: "notebook-counts" });
    this.forget();
  }

  forget() {
    // As counted: so many tokens for so many characters.
    this.tokens = null;
    this.chars = 0;
    this.context = 0;
  }

  counted(tokens, chars, context = this.context) {
    this.context = context;
    this.tokens = tokens;
    this.chars = chars;
  }

  // `more` are tokens that a model has written since the text was counted, and the characters in them.
  show(text, more = { tokens: 0, chars: 0 }) {
    this.text = text;
    this.more = more;
    this.timer ??= setTimeout(() => this.write(), PAUSE_MS);
  }

  write() {
    this.timer = null;
    const { text } = this;
    const words = text.match(WORD)?.length ?? 0;
    const { tokens, isExact } = this.tokensOf(text.length);
    const of = this.context ? ` of ${numberText(this.context)}` : "";
    const isOver = this.context > 0 && tokens > this.context;
    const parts = [`${isExact ? "" : "about "}${numberText(tokens)}${of} tokens`, `${numberText(words)} word${words === 1 ? "" : "s"}`, `${numberText(text.length)} characters`];
    if (isOver) parts.unshift(OVER);
    this.node.textContent = parts.join(" · ");
    this.node.classList.toggle("over", isOver);
  }

  tokensOf(length) {
    const typed = length - this.chars - this.more.chars;
    if (this.tokens === null) return { tokens: Math.round(length / FIRST_GUESS_CHARS), isExact: length === 0 };
    const charsEach = this.chars > 50 ? this.chars / Math.max(this.tokens, 1) : FIRST_GUESS_CHARS;
    return { tokens: Math.max(0, this.tokens + this.more.tokens + Math.round(typed / charsEach)), isExact: typed === 0 };
  }
}
