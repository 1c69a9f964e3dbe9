// A text while a model writes it: what has come so far, and the tokens it came in.

import { stageText } from "./stream.js";

const RETRY_MS = 1000;

export class WritingStream {
  // `onText` is told the pieces that are new, `onBegin` that all comes again from the beginning.
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
    this.onBegin(this);
  }

  take(event) {
    if (event.kind === "progress") this.onProgress(stageText(event, "text"));
    else if (event.kind === "delta") this.grow(event);
    else this.end(event);
  }

  grow({ text, tokens }) {
    const pieces = this.piecesOf(text, tokens);
    this.text += text;
    this.pieces.push(...pieces);
    this.onProgress("");
    this.onText(pieces, text, this);
  }

  piecesOf(text, tokens) {
    const pieces = [];
    let place = 0;
    for (const [chars, probability] of tokens) {
      if (chars) pieces.push({ text: text.slice(place, place + chars), owner: this.generation.version, index: this.tokens, probability });
      place += chars;
      this.tokens += 1;
    }
    if (place < text.length) pieces.push({ text: text.slice(place) });
    return pieces;
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
