// A reply while it is written: touches its own element only, so its cost does not depend on what stands above.

import { element } from "./dom.js";
import { ToolCard } from "./tool_card.js";

const STAGES = {
  preparing: () => "Preparing",
  loading: (event) => (event.fraction ? `Loading the model ${percent(event.fraction)}` : "Loading the model"),
  queued: (event) => `Waiting, ${event.position === 1 ? "next" : `number ${event.position}`} in line`,
  command: (event) => `Running ${event.note}`,
  reading: (event, what) => (event.fraction && event.fraction < 1 ? `Reading the ${what} ${percent(event.fraction)}` : "Reading"),
};

// How far the program is with what will be written; `what` is what the model reads.
export function stageText(event, what) {
  return STAGES[event.stage](event, what);
}

export class ReplyStream {
  // `onDecide` and `onCancel` are what a person does to a call of a tool.
  constructor(generationId, body, { onGrow, onEnd, onLost, onDecide, onCancel }) {
    this.body = body;
    this.onGrow = onGrow;
    this.onEnd = onEnd;
    this.onLost = onLost;
    this.toolActions = { onDecide, onCancel };
    this.source = new EventSource(`/ui/generations/${generationId}/events`);
    this.source.onopen = () => this.begin();
    this.source.onmessage = (message) => this.take(JSON.parse(message.data));
    this.source.onerror = () => this.lost();
    this.begin();
  }

  // The server starts over for each connection.
  begin() {
    this.progress = element("p", { class: "progress", text: "Preparing" });
    this.done = element("div", { class: "markup" });
    this.tail = element("div", { class: "markup tail" });
    this.reasoning = null;
    this.cards = new Map();
    this.body.replaceChildren(this.progress, this.done, this.tail);
  }

  take(event) {
    if (event.kind === "progress") this.wait(event);
    else if (event.kind === "call") this.show(event.call);
    else if (event.kind === "delta") this.grow(event);
    else this.end(event.view);
    this.onGrow();
  }

  grow({ blocks, tail, reasoning }) {
    this.progress.remove();
    if (reasoning) this.think(reasoning);
    if (blocks.length) this.done.insertAdjacentHTML("beforeend", blocks.join(""));
    this.tail.innerHTML = tail;
  }

  // Before the first text, and again below the calls that the model goes on from.
  wait(event) {
    this.progress.textContent = stageText(event, "conversation");
    if (!this.progress.isConnected) this.body.append(this.progress);
  }

  // Text that follows a call stands below it.
  show(call) {
    this.progress.remove();
    const known = this.cards.get(call.id);
    if (known) {
      known.show(call);
      return;
    }
    const card = new ToolCard(call, this.toolActions);
    this.cards.set(call.id, card);
    this.done = element("div", { class: "markup" });
    this.tail = element("div", { class: "markup tail" });
    this.body.append(card.node, this.done, this.tail);
  }

  think(text) {
    if (!this.reasoning) {
      this.reasoning = element("div", { class: "reasoning-text", dir: "auto" });
      const fold = element("details", { class: "reasoning", open: true }, element("summary", { text: "Thinking" }), this.reasoning);
      this.body.prepend(fold);
    }
    this.reasoning.append(text);
  }

  end(view) {
    this.close();
    this.onEnd(view);
  }

  // The browser tries again by itself unless the server refused: then the reply has ended meanwhile.
  lost() {
    this.progress.textContent = "Reconnecting…";
    this.body.append(this.progress);
    if (this.source.readyState === EventSource.CLOSED) this.onLost();
  }

  close() {
    this.source.close();
  }
}

function percent(fraction) {
  return `${Math.round(fraction * 100)} %`;
}
