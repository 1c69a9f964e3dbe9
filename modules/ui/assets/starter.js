// The card that offers the starter model.

import { element, sizeText } from "./dom.js";

// Shown where the conversation would be, as long as there is no model but the echo engine.
export class StarterCard {
  constructor({ call, toasts, onChange }) {
    Object.assign(this, { call, toasts, onChange });
    this.node = element("div", { class: "card" });
  }

  show({ starter }) {
    const { job } = starter;
    const running = job?.state === "running";
    // Made anew only when it becomes another card, so that a button keeps the focus while a download goes on.
    const shown = JSON.stringify([running, job?.id, job?.error]);
    if (shown !== this.shown) this.build(starter, running);
    this.shown = shown;
    if (!running) return;
    this.detail.textContent = `${job.note} … ${Math.round((job.progress ?? 0) * 100)} %`;
    this.bar.value = job.progress ?? 0;
  }

  build({ job, size_bytes: sizeBytes }, running) {
    this.detail = element("p", { class: "card-detail", text: `${sizeText(sizeBytes)} · Apache-2.0 · runs on any computer` });
    this.node.replaceChildren(
      element("h2", { text: "Get a first model" }),
      element("p", { class: "card-name", text: "SmolLM2 135M Instruct" }),
      this.detail,
    );
    if (running) {
      this.bar = element("progress", { max: 1, "aria-label": "Download" });
      const cancel = () => this.act("chat_cancel_job", { job_id: job.id });
      this.node.append(this.bar, element("button", { type: "button", class: "quiet-button", text: "Cancel", onclick: cancel }));
      return;
    }
    if (job?.error) this.node.append(element("p", { class: "card-error", role: "alert", text: job.error }));
    const label = job?.error ? "Try again" : "Download";
    this.node.append(element("button", { type: "button", class: "strong-button", text: label, onclick: () => this.act("chat_starter") }));
    this.node.append(element("p", { class: "card-note", text: "Any GGUF file in the models folder works too." }));
  }

  async act(name, values) {
    try {
      await this.call(name, values);
    } catch (error) {
      this.toasts.error(error);
    }
    await this.onChange();
  }
}
