// Where a message is written. A draft is kept per conversation until it is sent.

import { CommandList } from "./commands.js";
import { element, icon } from "./dom.js";

const MAX_HEIGHT_PX = 220;
const MAX_CHARS = 1_000_000;

export class Composer {
  // `tools` is the button of the tools, which stands beside the field.
  constructor({ toasts, tools, onSend, onStop, onInput }) {
    Object.assign(this, { toasts, onSend, onStop, onInput });
    this.drafts = new Drafts();
    this.isWriting = false;
    this.hasHinted = false;
    this.key = "new";
    this.field = element("textarea", { class: "field", rows: 1, dir: "auto", placeholder: "Write a message", "aria-label": "Message", oninput: () => this.changed() });
    this.field.addEventListener("keydown", (event) => this.onKey(event));
    this.button = element("button", { type: "button", class: "send", onclick: () => this.press() });
    this.commands = new CommandList({ field: this.field, onChosen: (text) => this.put(text) });
    this.node = element("div", { class: "composer" }, this.commands.node, element("div", { class: "composer-box" }, this.field, tools, this.button));
    this.setWriting(false);
  }

  onKey(event) {
    if (this.commands.onKey(event)) return;
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      if (this.isWriting) this.hint();
      else this.send();
    }
  }

  // Once for each reply.
  hint() {
    if (this.hasHinted || !this.field.value.trim()) return;
    this.hasHinted = true;
    this.toasts.show("Wait for the reply, or press Esc to stop it.");
  }

  press() {
    if (this.isWriting) this.onStop();
    else this.send();
  }

  async send() {
    const { key } = this;
    const text = this.field.value;
    if (!text.trim() || this.isSending) return;
    const length = lengthOf(text);
    if (length > MAX_CHARS) {
      const words = `The message has ${length.toLocaleString("en")} characters; ${MAX_CHARS.toLocaleString("en")} is the limit.`;
      this.toasts.show(words, { isError: true });
      return;
    }
    this.isSending = true;
    this.put("");
    const sent = await this.onSend(text);
    this.isSending = false;
    if (!sent) this.takeBack(key, text);
  }

  // Nothing typed is ever lost: what could not be sent comes back, to the conversation it was meant for.
  takeBack(key, text) {
    const since = this.drafts.get(key);
    this.drafts.keep(key, since ? `${text}\n${since}` : text);
    if (key === this.key) this.openDraft(key);
  }

  // Send turns into Stop while a reply is written.
  setWriting(isWriting) {
    this.isWriting = isWriting;
    if (!isWriting) this.hasHinted = false;
    const label = isWriting ? "Stop" : "Send";
    this.button.setAttribute("aria-label", label);
    this.button.title = label;
    this.button.classList.toggle("stop", isWriting);
    this.button.replaceChildren(icon(isWriting ? "stop" : "send"));
    this.update();
  }

  openDraft(key) {
    this.key = key;
    this.field.value = this.drafts.get(key);
    this.update();
  }

  // A new conversation got its id; what was typed since then goes on in it.
  moveDraft(key) {
    this.drafts.keep(this.key, "");
    this.drafts.keep(key, this.field.value);
    this.key = key;
  }

  put(text) {
    this.field.value = text;
    this.changed();
  }

  changed() {
    this.drafts.keep(this.key, this.field.value);
    this.update();
    this.commands.follow(this.field.value);
    this.onInput();
  }

  update() {
    this.button.disabled = !this.isWriting && !this.field.value.trim();
    this.field.style.height = "auto";
    this.field.style.height = `${Math.min(this.field.scrollHeight, MAX_HEIGHT_PX)}px`;
  }

  focus() {
    this.field.focus();
  }
}

// What is typed and not sent yet, by conversation. The browser's copy outlives a reload, but has room for little.
class Drafts {
  constructor() {
    this.texts = new Map();
  }

  get(key) {
    return this.texts.get(key) ?? sessionStorage.getItem(`draft:${key}`) ?? "";
  }

  keep(key, text) {
    this.texts.set(key, text);
    sessionStorage.removeItem(`draft:${key}`);
    if (!text) return;
    try {
      sessionStorage.setItem(`draft:${key}`, text);
    } catch {
      // No room: the draft lives as long as the page.
    }
  }
}

// In characters as the program counts them; counting takes a while, so only where it matters.
function lengthOf(text) {
  return text.length > MAX_CHARS ? [...text].length : text.length;
}
