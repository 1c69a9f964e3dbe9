// What models are writing into the open document, and where it is shown: in the text, or in cards side by side.

import { WritingStream } from "./notebook_stream.js";

// An engine that reports no tokens writes about so many characters in one.
const CHARS_PER_TOKEN = 4;

export class Following {
  // `onEnded` when nothing is being written any more, `onLost` when the program does not know what is.
  constructor({ text, continuations, counts, progress, onEnded, onLost }) {
    Object.assign(this, { text, continuations, counts, progress, onEnded, onLost });
    this.streams = new Map();
    // Continuations that were not picked.
    this.passedOver = new Set();
  }

  follow({ generations, version }) {
    if (!generations.length) this.progress.textContent = "";
    for (const one of generations) {
      const place = { ...this.placeOf(one, version), onLost: () => this.onLost() };
      this.streams.set(one.id, new WritingStream(one, place));
    }
  }

  // What is being written goes on all the same.
  stop() {
    for (const stream of this.streams.values()) stream.close();
    this.streams.clear();
  }

  passOver(picked) {
    for (const version of this.continuations.versions) if (version !== picked) this.passedOver.add(version);
  }

  // Of several continuations none is the document's head.
  placeOf(generation, head) {
    if (generation.version === head) return this.inText(generation);
    return this.passedOver.has(generation.version) ? this.nowhere(generation) : this.inCard(generation);
  }

  inText(generation) {
    return {
      onBegin: (stream) => this.text.begin(generation, stream),
      onProgress: (words) => (this.progress.textContent = words),
      onText: (pieces, text, stream) => {
        this.text.grow(pieces, text);
        const chars = stream.text.length;
        this.counts.show(this.text.shown, { tokens: stream.tokens || Math.round(chars / CHARS_PER_TOKEN), chars });
      },
      onEnd: () => this.ended(generation),
    };
  }

  inCard(generation) {
    return {
      onBegin: () => this.continuations.begin(generation),
      onProgress: (words) => this.continuations.say(generation, words),
      onText: (_pieces, text) => this.continuations.grow(generation, text),
      onEnd: (event) => {
        this.continuations.end(generation, event);
        this.ended(generation);
      },
    };
  }

  // One that was not picked is only waited for.
  nowhere(generation) {
    const nothing = () => {};
    return { onBegin: nothing, onProgress: nothing, onText: nothing, onEnd: () => this.ended(generation) };
  }

  ended({ id }) {
    this.streams.delete(id);
    if (!this.streams.size) this.onEnded();
  }
}
