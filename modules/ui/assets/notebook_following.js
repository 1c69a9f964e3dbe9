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

  // Cards are followed to their end, also where the program names them no more: it has yet to tell what was written
  // before they were stopped. New continuations take the place of those that stood there.
  follow({ generations, version: head }) {
    if (!generations.length) this.progress.textContent = "";
    const isCard = ({ version }) => version !== head && !this.passedOver.has(version);
    const isShown = ({ version }) => this.continuations.has(version);
    if (generations.some((one) => isCard(one) && !isShown(one))) this.continuations.startAfter(head);
    for (const [id, stream] of this.streams) if (!isCard(stream.generation) || !isShown(stream.generation)) this.leave(id);
    for (const one of generations) if (!this.streams.has(one.id)) this.streams.set(one.id, new WritingStream(one, this.placeOf(one, head)));
  }

  leave(id) {
    this.streams.get(id).close();
    this.streams.delete(id);
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
      onLost: () => this.lost(generation),
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
      onLost: () => {
        this.continuations.say(generation, "");
        this.lost(generation);
      },
    };
  }

  // One that was not picked is only waited for.
  nowhere(generation) {
    const nothing = () => {};
    return { onBegin: nothing, onProgress: nothing, onText: nothing, onEnd: () => this.ended(generation), onLost: () => this.lost(generation) };
  }

  lost({ id }) {
    this.streams.delete(id);
    this.onLost();
  }

  ended({ id }) {
    this.streams.delete(id);
    if (!this.streams.size) this.onEnded();
  }
}
