// What the model reads besides the text: a memory before all of it, and the author's note near its end.

import { element } from "./dom.js";
import { labelled } from "./forms.js";
import { Unsaved } from "./notebook_unsaved.js";

const SAVE_MS = 600;
const RETRY_MS = 4000;
const DEEPEST = 100;
const NEW = "new";

export class MemoryForm {
  constructor({ call, toasts, onChanged, onNeeded }) {
    Object.assign(this, { call, toasts, onChanged, onNeeded });
    // The document whose form this is; null until it is made.
    this.owner = { id: undefined };
    // Every save waits for the one before it.
    this.line = Promise.resolve();
    // {memory, note, depth}, as they stand in the form.
    this.unsaved = new Unsaved("unsaved-memory:");
    const area = (rows) => element("textarea", { class: "form-field", rows, dir: "auto", oninput: () => this.saveSoon() });
    this.memory = area(7);
    this.note = area(4);
    this.depth = element("input", { type: "number", class: "form-field", min: 1, max: DEEPEST, step: 1, oninput: () => this.saveSoon() });
    this.state = element("p", { class: "fine", role: "status" });
    this.node = element(
      "div",
      { class: "memory-form" },
      labelled("Memory", this.memory, "Stands before the text, and stays when the text grows too long for the model."),
      labelled("Author's note", this.note, "A hint near the end of the text, such as the mood of what comes next."),
      labelled("Lines from the end", this.depth, `How far up the note stands, 1 to ${DEEPEST}.`),
      this.state,
    );
  }

  // What is being typed, or could not be saved yet, is left alone; an earlier page may have left some, too.
  show({ document: shown }) {
    const isOther = this.owner.id !== shown.id;
    const kept = this.unsaved.get(shown.id ?? NEW);
    if (!isOther && (this.timer || kept || this.node.contains(document.activeElement))) return;
    if (isOther) this.turnTo(shown.id);
    this.fill(kept ?? { memory: shown.memory, note: shown.note, depth: shown.note_depth });
    this.state.textContent = "";
    if (kept) this.saveSoon();
  }

  // What was written for a document that was not made waits for the next new one.
  turnTo(id) {
    if (this.timer && this.owner.id) this.save();
    clearTimeout(this.timer);
    this.timer = null;
    this.owner = { id };
  }

  // The new document was made: what stands here is its own.
  begun(id) {
    if (this.owner.id) return;
    this.owner.id = id;
    const kept = this.unsaved.get(NEW);
    if (kept) this.unsaved.keep(id, kept);
    this.unsaved.forget(NEW);
  }

  fill({ memory, note, depth }) {
    this.memory.value = memory;
    this.note.value = note;
    this.depth.value = depth;
  }

  get filled() {
    return { memory: this.memory.value, note: this.note.value, depth: this.depth.value };
  }

  saveSoon() {
    this.unsaved.keep(this.owner.id ?? NEW, this.filled);
    this.state.textContent = "";
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.save(), SAVE_MS);
  }

  save() {
    clearTimeout(this.timer);
    this.timer = null;
    if (!this.depth.checkValidity() || !this.depth.value) {
      this.state.textContent = `The lines from the end are a whole number from 1 to ${DEEPEST}.`;
      return;
    }
    const { owner, filled } = this;
    this.line = this.line.then(() => this.send(owner, filled));
  }

  async send(owner, filled) {
    const { memory, note, depth } = filled;
    try {
      if (!owner.id && owner === this.owner) await this.onNeeded();
      const { id } = owner;
      if (!id) return;
      const answer = await this.call("notebook_settings", { id, memory, note, note_depth: Number(depth) });
      this.confirmed(id, filled);
      this.onChanged(answer.document);
      if (owner === this.owner && !this.unsaved.get(id)) this.state.textContent = "Saved";
    } catch (error) {
      if (owner !== this.owner) return;
      this.state.textContent = `Not saved. ${error.message}`;
      if (error.code === "unreachable") this.timer ??= setTimeout(() => this.save(), RETRY_MS);
    }
  }

  // What was typed meanwhile is still to be saved.
  confirmed(id, filled) {
    if (JSON.stringify(this.unsaved.get(id)) === JSON.stringify(filled)) this.unsaved.forget(id);
  }
}
