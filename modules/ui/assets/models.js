// Which model answers: the picker in the top bar, its state, and the card that offers the starter model.

import { element, icon, sizeText } from "./dom.js";

const STARTER = "starter";

export class ModelPicker {
  constructor({ call, toasts, onChange }) {
    Object.assign(this, { call, toasts, onChange });
    this.state = null;
    this.dot = element("span", { class: "dot" });
    this.name = element("span", { class: "model-name", text: "…" });
    this.note = element("span", { class: "model-note" });
    this.button = element(
      "button",
      { type: "button", class: "model-button", "aria-haspopup": "true", "aria-expanded": "false", onclick: () => this.toggle() },
      this.dot,
      this.name,
      this.note,
      icon("down"),
    );
    this.panel = element("div", { class: "model-panel", hidden: true, role: "group", "aria-label": "Models" });
    this.node = element("div", { class: "model-picker" }, this.button, this.panel);
    document.addEventListener("click", (event) => {
      if (!this.node.contains(event.target)) this.close();
    });
    this.node.addEventListener("keydown", (event) => this.onKey(event));
  }

  get current() {
    return this.state?.model.id ?? null;
  }

  show(state) {
    const before = JSON.stringify(this.state);
    this.state = state;
    if (before === JSON.stringify(state)) return;
    const { model } = state;
    const words = { none: "", loading: model.fraction ? `${Math.round(model.fraction * 100)} %` : "loading", ready: "", failed: "not loaded" };
    this.dot.className = `dot ${model.state}`;
    this.name.textContent = this.title(model.id) ?? "Choose a model";
    this.note.textContent = words[model.state];
    this.button.setAttribute("aria-label", `Model: ${this.name.textContent}${words[model.state] ? `, ${words[model.state]}` : ""}`);
    if (!this.panel.hidden) this.fill();
  }

  title(id) {
    return this.state.models.find((model) => model.id === id)?.title ?? id;
  }

  toggle() {
    if (this.panel.hidden) this.open();
    else this.close();
  }

  open() {
    this.fill();
    this.panel.hidden = false;
    this.button.setAttribute("aria-expanded", "true");
    this.panel.querySelector("button")?.focus();
  }

  close() {
    this.panel.hidden = true;
    this.button.setAttribute("aria-expanded", "false");
  }

  onKey(event) {
    if (this.panel.hidden) return;
    const choices = [...this.panel.querySelectorAll("button.model-choice")];
    const place = choices.indexOf(document.activeElement);
    if (event.key === "Escape") {
      event.preventDefault();
      this.close();
      this.button.focus();
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      choices.at((place + (event.key === "ArrowDown" ? 1 : -1)) % choices.length)?.focus();
    }
  }

  fill() {
    const { models, model } = this.state;
    const offered = models.some((one) => one.id === STARTER) ? [] : [{ id: STARTER, title: "SmolLM2 135M Instruct", download: true, size_bytes: this.state.starter.size_bytes }];
    this.panel.replaceChildren(...[...models, ...offered].map((one) => this.choice(one, model)));
    if (model.state === "failed") this.panel.append(failure(model));
    if (model.state === "ready" || model.state === "loading") {
      const text = model.state === "ready" ? "Unload" : "Cancel loading";
      this.panel.append(element("button", { type: "button", class: "quiet-button unload", text, onclick: () => this.act("chat_unload") }));
    }
    if (model.note) this.panel.append(element("p", { class: "panel-note", text: model.note }));
  }

  choice(one, model) {
    const isCurrent = one.id === model.id && model.state === "ready";
    const detail = one.problem || [one.download ? "Download" : "", sizeText(one.size_bytes)].filter(Boolean).join(" · ");
    return element(
      "button",
      {
        type: "button",
        class: `model-choice ${one.problem ? "damaged" : ""}`,
        "aria-pressed": String(isCurrent),
        onclick: () => this.choose(one),
      },
      element("span", { class: "choice-title", text: one.title }),
      element("span", { class: "choice-detail", text: detail }),
      isCurrent ? icon("check") : null,
    );
  }

  async choose(one) {
    this.close();
    if (one.download) await this.act("chat_starter");
    else await this.act("chat_load", { model: one.id });
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

function failure(model) {
  const box = element("div", { class: "failure", role: "alert" }, element("p", { text: model.error }));
  if (model.details) {
    box.append(element("details", {}, element("summary", { text: "What the engine said" }), element("pre", { text: model.details })));
  }
  return box;
}

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
