// The Parameters panel: what replies are written with here, changed while one chats.

import { element, iconButton } from "./dom.js";
import { NextTokenChart } from "./params_chart.js";
import { KnobList } from "./params_knobs.js";
import { PresetBar } from "./params_presets.js";
import { ScopeChoice } from "./params_scope.js";

const SAVE_MS = 350;
const KEPT_UNDER = "parameters-open";

export class ParamsPanel {
  // `place()` is what the person looks at: {model, modelTitle, conversation, document, draft}.
  constructor({ call, toasts, place, onLoad }) {
    Object.assign(this, { call, toasts, place });
    this.isAllowed = true;
    this.isOpen = localStorage.getItem(KEPT_UNDER) === "yes" && innerWidth > 760;
    this.key = "";
    // What was changed and is not saved yet, and where.
    this.pending = {};
    this.pendingAt = null;
    // Changes on their way, one after the other.
    this.sending = [];
    this.saving = Promise.resolve();
    // The scope that was chosen and does not hold yet.
    this.boundTo = null;
    this.state = null;
    this.build(onLoad);
    this.showOpen();
  }

  build(onLoad) {
    const { call, toasts } = this;
    this.opener = iconButton("sliders", "Parameters", () => this.toggle(), "params-opener");
    this.presets = new PresetBar({
      call,
      toasts,
      onChoose: (preset, options) => this.act("params_choose", { preset }, options),
      onNeutralise: () => this.act("params_neutralise"),
      onPresets: (answer) => this.takePresets(answer),
      inUse: () => this.inUse(),
      onPutBack: (inUse) => this.putBack(inUse),
      settled: () => this.settled(),
    });
    this.scope = new ScopeChoice({ onChoose: (kind) => this.bindTo(kind) });
    this.problem = element("p", { class: "form-error", role: "alert", hidden: true });
    this.knobs = new KnobList({ call, onChange: (name, value) => this.change(name, value) });
    this.chart = new NextTokenChart({ place: this.place, onLoad });
    this.body = element("div", { class: "params-body" }, this.presets.node, this.scope.node, this.problem, this.knobs.node, this.chart.node);
    const close = iconButton("close", "Close parameters", () => this.toggle());
    this.node = element(
      "aside",
      { class: "params-panel", "aria-label": "Parameters", hidden: true },
      element("div", { class: "params-head" }, element("h2", { text: "Parameters" }), close),
      this.body,
    );
    this.node.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || event.defaultPrevented) return;
      event.preventDefault();
      this.toggle();
    });
    // What was opened begins at the top: it may be longer than the panel. `toggle` does not bubble.
    this.node.addEventListener("toggle", ({ target }) => target.open && target.scrollIntoView({ block: "start" }), true);
  }

  toggle() {
    this.isOpen = !this.isOpen;
    localStorage.setItem(KEPT_UNDER, this.isOpen ? "yes" : "no");
    this.showOpen();
    if (this.isOpen) this.refresh().then(() => this.node.contains(document.activeElement) || this.presets.focus());
    else this.opener.focus();
  }

  // Only chats and documents are written with parameters.
  allow(isAllowed) {
    this.isAllowed = isAllowed;
    this.showOpen();
  }

  showOpen() {
    this.isShown = this.isOpen && this.isAllowed;
    this.node.hidden = !this.isShown;
    this.opener.hidden = !this.isAllowed;
    this.opener.setAttribute("aria-expanded", String(this.isShown));
    this.chart.setShown(this.isShown);
  }

  // --- what holds here ---

  // Called often: asks the program only where something else is looked at than before.
  async follow() {
    if (!this.isShown) return;
    if (this.lookedAt() !== this.key) await this.refresh();
    else this.chart.follow();
  }

  async refresh() {
    if (!this.isShown) return;
    const at = this.at();
    const key = this.lookedAt();
    const isOther = key !== this.key;
    this.key = key;
    await this.settled();
    try {
      const state = await this.call("params_state", at);
      if (key !== this.key) return;
      this.state = state;
      this.show({ isOther });
    } catch (error) {
      this.key = "";
      this.toasts.error(error);
    }
  }

  at() {
    const { model, conversation, document: document_ } = this.place();
    return { model: model ?? "", conversation: conversation ?? "", document: document_ ?? "" };
  }

  // A new document is another place than a new chat, though neither has an id.
  lookedAt() {
    return `${keyOf(this.at())}\n${this.place().isNotebook ? "notebook" : "chat"}`;
  }

  // `isOther` where other values are in use than a person is typing.
  show({ isOther = false } = {}) {
    const { fields, refusals, current, scopes } = this.state;
    const values = Object.assign({}, current.values, ...this.sending, this.pending);
    const preset = this.state.presets.find((one) => one.name === current.preset);
    this.presets.show(this.state);
    this.scope.show(this.place(), scopes);
    this.problem.textContent = current.problem ? `${current.problem} Nothing can be written until you choose another preset.` : "";
    this.problem.hidden = !current.problem;
    this.knobs.node.hidden = Boolean(current.problem);
    this.knobs.show({ fields, refusals, values, usual: { ...defaultsOf(fields), ...preset?.values }, isOther, hasTurns: !this.place().isNotebook });
    this.chart.follow(true);
  }

  takeInUse(answer, options) {
    Object.assign(this.state, answer);
    this.show(options);
  }

  async takePresets({ presets, deleted }) {
    Object.assign(this.state, { presets, deleted });
    await this.refresh();
  }

  // --- changes ---

  change(name, value) {
    this.pendingAt ??= { ...this.at(), kind: this.boundTo ?? this.state.current.kind };
    this.pending[name] = value;
    this.knobs.explain(name, "");
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.save(), SAVE_MS);
  }

  // Once all that was changed is saved, or refused.
  settled() {
    clearTimeout(this.timer);
    this.save();
    return this.saving;
  }

  save() {
    const { pending: changes, pendingAt: at } = this;
    if (!Object.keys(changes).length) return;
    this.pending = {};
    this.pendingAt = null;
    this.sending.push(changes);
    this.saving = this.saving.then(() => this.send(at, changes)).then(() => this.sending.shift());
  }

  // One wrong value does not keep the others from being saved.
  async send(at, changes) {
    if (!Object.keys(changes).length) return;
    try {
      const answer = await this.call("params_change", { ...at, changes });
      if (keyOf(at) === keyOf(this.at())) this.takeInUse(answer);
    } catch (error) {
      if (!(error.field in changes)) {
        this.toasts.error(error);
        return;
      }
      delete changes[error.field];
      if (keyOf(at) === keyOf(this.at())) this.knobs.explain(error.field, `${error.message} ${staysText(this.state.current.values[error.field])}`);
      await this.send(at, changes);
    }
  }

  // To be put back later, wherever the person looks then.
  inUse() {
    return { ...this.state.current, at: this.at() };
  }

  // `isSaved` where what was changed is in the preset now.
  async act(name, values = {}, { isSaved = false } = {}) {
    await this.settled();
    const before = this.inUse();
    const { kind, at } = before;
    try {
      this.takeInUse(await this.call(name, { ...at, kind, ...values }), { isOther: true });
    } catch (error) {
      this.toasts.error(error);
      this.show();
      return;
    }
    const hadChanges = Object.keys(before.changes).length && !before.problem;
    if (hadChanges && !isSaved) this.toasts.show("Your changes were replaced.", { action: "Undo", onAction: () => this.putBack(before) });
  }

  async putBack({ at, kind, preset, changes }) {
    try {
      await this.call("params_choose", { ...at, kind, preset });
      const answer = await this.call("params_change", { ...at, kind, changes });
      if (keyOf(at) === keyOf(this.at())) this.takeInUse(answer, { isOther: true });
    } catch (error) {
      this.toasts.error(error);
    }
  }

  // What is changed from now on belongs to that scope, also while the program has yet to hear of it.
  bindTo(kind) {
    const at = this.at();
    this.save();
    this.boundTo = kind;
    this.saving = this.saving.then(() => this.bind(kind, at));
  }

  // A narrower scope begins with what is in use; a wider one holds again when the narrower ones are gone.
  async bind(kind, at) {
    const order = ["conversation", "document", "model", "everywhere"];
    const left = this.state.scopes.filter((one) => order.indexOf(one.kind) < order.indexOf(kind));
    try {
      for (const one of left) await this.call("params_unbind", { ...at, kind: one.kind });
      const answer = await this.call("params_change", { ...at, kind, changes: {} });
      if (keyOf(at) === keyOf(this.at())) this.takeInUse(answer, { isOther: left.length > 0 });
    } catch (error) {
      this.toasts.error(error);
      this.refresh();
      return;
    } finally {
      this.boundTo = null;
    }
    if (!left.length) return;
    const undo = async () => {
      for (const one of [...left].reverse()) await this.putBack({ ...one, at });
    };
    this.toasts.show("The parameters that held here alone are gone.", { action: "Undo", onAction: undo });
  }
}

function defaultsOf(fields) {
  return Object.fromEntries(fields.map((field) => [field.name, field.default]));
}

function staysText(value) {
  return typeof value === "number" ? `Until then ${value} stays in use.` : "Until then what was set before stays in use.";
}

function keyOf({ model, conversation, document: document_ }) {
  return [model, conversation, document_].join("\n");
}
