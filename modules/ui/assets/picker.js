// Which model answers. What is selected is this browser's choice for the next message; several models may be loaded.

import { element, icon, iconButton, sizeText } from "./dom.js";
import { failure, stateLook, stateWords } from "./model_state.js";
import { bytesText } from "./words.js";

const STARTER = { id: "starter", title: "SmolLM2 135M Instruct", isOffer: true, state: "none" };
const KEPT_UNDER = "model";

export class ModelPicker {
  constructor({ call, toasts, onChange, onManage }) {
    Object.assign(this, { call, toasts, onChange, onManage });
    this.state = null;
    // A click that came before the state opens the panel with it.
    this.isAwaited = false;
    // Bytes of memory by id, as the program told when the panel was opened last.
    this.needs = {};
    this.chosen = localStorage.getItem(KEPT_UNDER);
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
      // What was clicked may have been made anew since.
      if (!event.composedPath().includes(this.node)) this.close();
    });
    this.node.addEventListener("keydown", (event) => this.onKey(event));
  }

  // The id of the selected model; null when there is none to select.
  get current() {
    if (!this.state) return this.chosen;
    return this.model(this.chosen) ? this.chosen : this.state.suggested;
  }

  get isLoading() {
    return Boolean(this.state?.models.some((one) => one.state === "loading"));
  }

  update(state) {
    const before = JSON.stringify(this.state);
    const selected = this.state && this.current;
    this.state = state;
    // What is loaded elsewhere takes the place of a model that nobody chose only when that one is not loaded.
    if (selected && selected !== this.current && this.model(selected)?.state === "ready") this.keep(selected);
    if (before !== JSON.stringify(state)) this.show();
    if (this.isAwaited) this.open();
  }

  keep(id) {
    this.chosen = id;
    localStorage.setItem(KEPT_UNDER, id);
  }

  show() {
    const model = this.model(this.current);
    const words = stateWords(model);
    this.dot.className = `dot ${stateLook(model)}`;
    this.name.textContent = model?.title ?? this.current ?? "Choose a model";
    const adapters = model?.adapters.length ? `with ${model.adapters.join(", ")}` : "";
    this.note.textContent = model && stateLook(model) !== "ready" ? words : adapters;
    this.button.setAttribute("aria-label", ["Model: " + this.name.textContent, words, adapters].filter(Boolean).join(", "));
    if (!this.panel.hidden) this.fill();
  }

  model(id) {
    return this.state.models.find((one) => one.id === id);
  }

  toggle() {
    if (this.panel.hidden) this.open();
    else this.close();
  }

  open() {
    this.isAwaited = !this.state;
    if (this.isAwaited) return;
    this.fill();
    this.panel.hidden = false;
    this.button.setAttribute("aria-expanded", "true");
    const first = this.panel.querySelector(".model-choice[aria-pressed=true]") ?? this.panel.querySelector("button");
    first.focus();
    this.lookUpNeeds();
  }

  async lookUpNeeds() {
    const before = JSON.stringify(this.needs);
    try {
      this.needs = (await this.call("models_needs")).needs;
    } catch {
      // The files' sizes stay.
      return;
    }
    if (!this.panel.hidden && JSON.stringify(this.needs) !== before) this.fill();
  }

  close() {
    this.isAwaited = false;
    this.panel.hidden = true;
    this.button.setAttribute("aria-expanded", "false");
  }

  onKey(event) {
    if (this.panel.hidden) return;
    const choices = [...this.panel.querySelectorAll("button.model-choice, button.all-models")];
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

  // --- the open panel ---

  fill() {
    const focused = this.panel.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    const isUnfolded = this.panel.querySelector("details")?.open;
    const { models, starter } = this.state;
    const offers = models.some((one) => one.id === STARTER.id) || starter.present ? [] : [{ ...STARTER, size_bytes: starter.size_bytes }];
    const nodes = [];
    let group = "";
    for (const one of [...ordered(models), ...offers]) {
      const server = one.server ?? "";
      if (server !== group) nodes.push(element("p", { class: "choice-group", text: server }));
      group = server;
      nodes.push(this.entry(one));
    }
    const failed = this.model(this.current);
    if (failed?.state === "failed") nodes.push(failure(failed));
    if (failed?.state === "ready" && failed.note) nodes.push(element("p", { class: "panel-note", text: failed.note }));
    const manage = () => {
      this.close();
      this.onManage();
    };
    nodes.push(element("button", { type: "button", class: "all-models", "data-key": "all", text: "All models…", onclick: manage }));
    this.panel.replaceChildren(...nodes);
    for (const fold of this.panel.querySelectorAll("details")) fold.open = isUnfolded;
    if (focused) this.panel.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
  }

  entry(one) {
    const isSelected = one.id === this.current;
    const words = one.isOffer ? "download" : stateWords(one);
    const detail = one.problem || [words, this.sizeWords(one)].filter(Boolean).join(" · ");
    const choice = element(
      "button",
      {
        type: "button",
        class: `model-choice ${one.problem ? "damaged" : ""}`,
        "data-key": `choose ${one.id}`,
        "aria-pressed": String(isSelected),
        disabled: Boolean(one.problem),
        onclick: () => this.choose(one),
      },
      element("span", { class: `dot ${stateLook(one)}` }),
      element("span", { class: "choice-title", dir: "auto", text: one.title }),
      element("span", { class: "choice-detail", text: detail }),
      isSelected ? icon("check") : one.favourite ? icon("star") : null,
    );
    const row = element("div", { class: "choice-row" }, choice);
    if (one.state === "ready" || one.state === "loading") {
      const label = one.state === "ready" ? `Unload ${one.title}` : `Cancel loading ${one.title}`;
      const quick = iconButton(one.state === "ready" ? "eject" : "close", label, () => this.act("models_unload", { model: one.id }));
      quick.dataset.key = `unload ${one.id}`;
      row.append(quick);
    }
    return row;
  }

  // Its memory where that is known, else its file's size.
  sizeWords(one) {
    const need = one.server ? 0 : this.needs[one.id];
    if (!need) return sizeText(one.size_bytes);
    return one.state === "ready" ? `takes ${bytesText(need)}` : `needs about ${bytesText(need)}`;
  }

  async choose(one) {
    this.close();
    this.button.focus();
    if (one.isOffer) await this.act("chat_starter");
    else await this.select(one.id);
  }

  // Others that are loaded stay so.
  async select(id) {
    this.keep(id);
    const model = this.state && this.model(id);
    if (this.state) this.show();
    if (model?.state !== "ready" && model?.state !== "loading") await this.act("models_load", { model: id });
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

// Favourites first, then remote ones, by their server, and damaged ones last; otherwise as the program has them.
function ordered(models) {
  const rank = (one) => [one.problem ? 1 : 0, one.server ? 1 : 0, one.server ?? "", one.favourite ? 0 : 1];
  return [...models].sort((a, b) => {
    const [x, y] = [rank(a), rank(b)];
    return x[0] - y[0] || x[1] - y[1] || x[2].localeCompare(y[2]) || x[3] - y[3];
  });
}
