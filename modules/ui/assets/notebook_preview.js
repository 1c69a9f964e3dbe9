// The document as Markdown or HTML, rendered and made safe by the program.

import { element } from "./dom.js";

const PAUSE_MS = 300;
// A slow rendering waits longer for the next.
const SHARE = 0.2;

export class Preview {
  constructor({ call, toasts }) {
    Object.assign(this, { call, toasts });
    this.form = null;
    this.content = element("div", { class: "markup", dir: "auto" });
    this.node = element("div", { class: "notebook-preview", tabIndex: 0, role: "region", "aria-label": "Rendered text" }, this.content);
    this.wait = PAUSE_MS;
  }

  // `form` is "markdown" or "html"; `textOf` gives the text when it is time.
  show(form, textOf) {
    this.textOf = textOf;
    if (form !== this.form) {
      this.form = form;
      this.shown = null;
      this.render();
    } else {
      this.timer ??= setTimeout(() => this.render(), this.wait);
    }
  }

  hide() {
    clearTimeout(this.timer);
    this.timer = null;
    this.form = null;
  }

  async render() {
    clearTimeout(this.timer);
    this.timer = null;
    const [form, text] = [this.form, this.textOf()];
    if (text === this.shown || this.isAsking) {
      if (this.isAsking) this.timer = setTimeout(() => this.render(), this.wait);
      return;
    }
    const started = performance.now();
    this.isAsking = true;
    try {
      const { html } = await this.call("notebook_markup", { form, text });
      if (form !== this.form) return;
      this.shown = text;
      const { scrollHeight, scrollTop, clientHeight } = this.node;
      const wasAtEnd = scrollTop > 0 && scrollHeight - scrollTop - clientHeight < 60;
      this.content.innerHTML = html;
      if (wasAtEnd) this.node.scrollTop = this.node.scrollHeight;
    } catch (error) {
      if (error.code !== "unreachable") this.toasts.error(error);
    } finally {
      this.isAsking = false;
      this.wait = Math.max(PAUSE_MS, (performance.now() - started) / SHARE);
    }
  }
}
