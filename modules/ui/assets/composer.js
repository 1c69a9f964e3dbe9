// Where a message is written. A draft is kept per conversation until it is sent.

import { element, icon } from "./dom.js";

const MAX_HEIGHT_PX = 220;

export class Composer {
  constructor({ onSend, onStop }) {
    this.onSend = onSend;
    this.onStop = onStop;
    this.isWriting = false;
    this.key = "new";
    this.field = element("textarea", { class: "field", rows: 1, placeholder: "Write a message", "aria-label": "Message", oninput: () => this.changed() });
    this.field.addEventListener("keydown", (event) => this.onKey(event));
    this.button = element("button", { type: "button", class: "send", onclick: () => this.press() });
    this.node = element("div", { class: "composer" }, element("div", { class: "composer-box" }, this.field, this.button));
    this.setWriting(false);
  }

  onKey(event) {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      if (!this.isWriting) this.send();
    }
  }

  press() {
    if (this.isWriting) this.onStop();
    else this.send();
  }

  async send() {
    const { key } = this;
    const text = this.field.value;
    if (!text.trim() || this.isSending) return;
    this.isSending = true;
    this.put("");
    const sent = await this.onSend(text);
    this.isSending = false;
    if (!sent) this.takeBack(key, text);
  }

  // Nothing typed is ever lost: what could not be sent comes back, to the conversation it was meant for.
  takeBack(key, text) {
    const since = draftOf(key);
    keepDraft(key, since ? `${text}\n${since}` : text);
    if (key === this.key) this.openDraft(key);
  }

  // Send turns into Stop while a reply is written.
  setWriting(isWriting) {
    this.isWriting = isWriting;
    const label = isWriting ? "Stop" : "Send";
    this.button.setAttribute("aria-label", label);
    this.button.title = label;
    this.button.classList.toggle("stop", isWriting);
    this.button.replaceChildren(icon(isWriting ? "stop" : "send"));
    this.update();
  }

  openDraft(key) {
    this.key = key;
    this.field.value = draftOf(key);
    this.update();
  }

  // A new conversation got its id; what was typed since then goes on in it.
  moveDraft(key) {
    keepDraft(this.key, "");
    keepDraft(key, this.field.value);
    this.key = key;
  }

  put(text) {
    this.field.value = text;
    this.changed();
  }

  changed() {
    keepDraft(this.key, this.field.value);
    this.update();
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

function draftOf(key) {
  return sessionStorage.getItem(`draft:${key}`) ?? "";
}

function keepDraft(key, text) {
  if (text) sessionStorage.setItem(`draft:${key}`, text);
  else sessionStorage.removeItem(`draft:${key}`);
}
