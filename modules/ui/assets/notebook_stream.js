// A text while a model writes it: what has come so far, and the tokens it came in.

import { stageText } from "./stream.js";

const RETRY_MS = 1000;
const LONGEST_REST_CHARS = 500;

export class WritingStream {
  // `onText` is told the text and the pieces that are new, `onBegin` that all comes again from the beginning.
  constructor(generation, { onBegin, onProgress, onText, onEnd, onLost }) {
    Object.assign(this, { generation, onBegin, onProgress, onText, onEnd, onLost });
    this.source = new EventSource(`/ui/notebook/generations/${generation.id}/events`);
    this.source.onopen = () => this.begin();
    this.source.onmessage = (message) => this.take(JSON.parse(message.data));
    this.source.onerror = () => this.lost();
    this.begin();
    this.onProgress("Preparing");
  }

  begin() {
    this.text = "";
    this.pieces = [];
    this.tokens = 0;
    // So far the pieces reach; the rest of the text waits for its tokens.
    this.placed = 0;
    this.onBegin(this);
  }

  take(event) {
    if (event.kind === "progress") this.onProgress(stageText(event, "text"));
    else if (event.kind === "delta") this.grow(event);
    else this.end(event);
  }

  // What is not a part of `pieces` yet.
  get rest() {
    return this.text.slice(this.placed);
  }

  grow({ text, tokens }) {
    this.text += text;
    const pieces = tokens.flatMap((token) => this.place(token));
    // An engine that reports no tokens is not waited for.
    if (this.rest.length > LONGEST_REST_CHARS) pieces.push(...this.upTo(this.text.length));
    this.pieces.push(...pieces);
    this.onProgress("");
    this.onText(pieces, text, this);
  }

  // A token may come after its text; `start` counts from the beginning of the stream's text.
  place([start, chars, probability]) {
    const before = this.upTo(start);
    const index = this.tokens;
    this.tokens += 1;
    const text = this.text.slice(this.placed, start + chars);
    if (!text) return before;
    this.placed += text.length;
    return [...before, { text, owner: this.generation.version, index, probability }];
  }

  upTo(end) {
    const text = this.text.slice(this.placed, end);
    this.placed = Math.max(this.placed, end);
    return text ? [{ text }] : [];
  }

  end(event) {
    this.close();
    this.onEnd(event, this);
  }

  // The browser tries again by itself unless the program refused: then the generation has ended meanwhile.
  lost() {
    this.onProgress("Reconnecting…");
    if (this.source.readyState !== EventSource.CLOSED) return;
    this.retry = setTimeout(() => this.onLost(), RETRY_MS);
  }

  close() {
    clearTimeout(this.retry);
    this.source.close();
  }
}
