// The field where a document is written; a model's text grows in it, too.

import { element } from "./dom.js";
import { difference, moved } from "./notebook_splices.js";

const NEAR_END_PX = 60;
// Laying out a long text takes a while; growing may take this share of the time.
const GROW_SHARE = 0.15;
const UNDO = { historyUndo: "undo", historyRedo: "redo" };

export class TextEditor {
  // Undo and redo are the document's: the browser's own would not know what a model wrote.
  // `onRefused`, once each time the field is closed, when somebody types all the same.
  constructor({ onInput, onRefused, onUndo, onRedo, onSelect }) {
    this.onRefused = onRefused;
    this.pending = "";
    this.place = 0;
    this.field = element("textarea", {
      class: "notebook-field",
      dir: "auto",
      spellcheck: true,
      placeholder: "Write something here, and let the model go on.",
      "aria-label": "Text",
      oninput: () => onInput(this.field.value),
    });
    const history = { undo: onUndo, redo: onRedo };
    this.field.addEventListener("beforeinput", (event) => {
      if (!(event.inputType in UNDO)) return;
      event.preventDefault();
      history[UNDO[event.inputType]]();
    });
    this.field.addEventListener("keydown", (event) => changesText(event) && this.refuse());
    this.field.addEventListener("paste", () => this.refuse());
    document.addEventListener("selectionchange", () => document.activeElement === this.field && onSelect());
    this.node = element("div", { class: "notebook-pane" }, this.field);
  }

  get cursor() {
    return this.field.selectionEnd;
  }

  get selection() {
    const { selectionStart, selectionEnd } = this.field;
    return { start: selectionStart, end: selectionEnd };
  }

  // Another document, where it was left off: at its end.
  open(text) {
    this.stopGrowing();
    this.field.value = text;
    this.field.setSelectionRange(text.length, text.length);
    this.field.scrollTop = this.field.scrollHeight;
  }

  // The cursor stays at the words where it stood.
  show(text, { toChange = false } = {}) {
    this.stopGrowing();
    const change = difference(this.field.value, text);
    if (!change) return;
    const { selectionStart, selectionEnd, scrollTop } = this.field;
    const wasAtEnd = this.isAtEnd;
    this.field.value = text;
    const end = change.start + change.text.length;
    if (toChange) this.field.setSelectionRange(end, end);
    else this.field.setSelectionRange(moved(selectionStart, change), moved(selectionEnd, change));
    this.field.scrollTop = wasAtEnd ? this.field.scrollHeight : scrollTop;
  }

  // What is shown while a model writes cannot be typed into.
  set readOnly(is) {
    this.field.readOnly = is;
    if (!is) this.hasRefused = false;
  }

  refuse() {
    if (!this.field.readOnly || this.hasRefused) return;
    this.hasRefused = true;
    this.onRefused();
  }

  // --- growing ---

  growFrom(place) {
    this.stopGrowing();
    this.place = place;
  }

  grow(text) {
    this.pending += text;
    this.timer ??= setTimeout(() => this.put(), 0);
  }

  put() {
    const started = performance.now();
    const wasAtEnd = this.isAtEnd;
    const { selectionStart, selectionEnd } = this.field;
    const isWritingHere = selectionStart === this.place && selectionEnd === this.place;
    this.field.setRangeText(this.pending, this.place, this.place, "preserve");
    this.place += this.pending.length;
    // A person who waits where the text grows goes on behind it.
    if (isWritingHere) this.field.setSelectionRange(this.place, this.place);
    this.pending = "";
    if (wasAtEnd) this.field.scrollTop = this.field.scrollHeight;
    const wait = (performance.now() - started) / GROW_SHARE;
    this.timer = setTimeout(() => {
      this.timer = null;
      if (this.pending) this.put();
    }, wait);
  }

  stopGrowing() {
    clearTimeout(this.timer);
    this.timer = null;
    this.pending = "";
  }

  get isAtEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.field;
    return scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
  }
}

function changesText({ key, ctrlKey, metaKey, altKey }) {
  return !ctrlKey && !metaKey && !altKey && (key.length === 1 || ["Enter", "Backspace", "Delete"].includes(key));
}
