// The adapters on this machine: which there are, and what a loaded model does with them.

import { element } from "./dom.js";
import { button, choiceOf } from "./forms.js";
import { bytesText } from "./words.js";

const KINDS = { lora: "LoRA", rslora: "rsLoRA", dora: "DoRA", prompt_tuning: "Prompt tuning" };

export class AdapterList {
  constructor({ call, toasts }) {
    Object.assign(this, { call, toasts });
    this.model = null;
    // By name: why the last thing that was asked of it could not be done.
    this.refusals = new Map();
    this.where = element("div", { class: "adapters-where" });
    this.list = element("ul", { class: "adapter-list", "aria-label": "Adapters" });
    this.node = element("section", { class: "adapters", hidden: true, "aria-labelledby": "adapters-title" }, element("h2", { id: "adapters-title", text: "Adapters" }), this.where, this.list);
  }

  async refresh() {
    try {
      this.show(await this.call("adapter_list", { model: this.model }));
    } catch (error) {
      if (error.code !== "unreachable") this.toasts.error(error);
    }
  }

  // Made anew only when something is another, so that the focus and what is being typed stay.
  show(state) {
    const refusals = [...this.refusals];
    const now = JSON.stringify([state, refusals]);
    if (now === this.shown) return;
    this.shown = now;
    Object.assign(this, state);
    const key = this.node.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    this.node.hidden = !state.adapters.length;
    this.showWhere();
    this.list.replaceChildren(...state.adapters.map((adapter) => this.row(adapter)));
    if (key) this.node.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus();
  }

  showWhere() {
    const { models } = this;
    const note = this.note ? element("p", { class: "fine", text: this.note }) : "";
    if (!models.length) {
      this.where.replaceChildren(element("p", { class: "fine", text: "An adapter changes a loaded model. Load the model it was made for, then switch it on here." }));
      return;
    }
    if (models.length === 1) {
      this.where.replaceChildren(element("p", { class: "fine" }, "On ", element("bdi", { text: models[0].title }), ", which is loaded. Those that are switched on change every reply."), note);
      return;
    }
    const choose = choiceOf(models.map(({ id, title }) => [id, title]), { class: "select", "data-key": "model", "aria-label": "Model", onchange: () => this.choose(choose.value) });
    choose.value = this.model;
    this.where.replaceChildren(element("label", { class: "tool" }, element("span", { text: "On the loaded model" }), choose), note);
  }

  choose(model) {
    this.model = model;
    this.refusals.clear();
    return this.refresh();
  }

  row(adapter) {
    const { name, base_model: base, kind, rank, size_bytes: size, problem, mark } = adapter;
    const facts = [
      KINDS[kind] ?? kind,
      rank ? `rank ${rank}` : "",
      size ? bytesText(size) : "",
      adapter.loaded ? `takes ${bytesText(adapter.memory_bytes)} of memory` : "",
    ];
    const refusal = this.refusals.get(name);
    return element(
      "li",
      { class: "adapter", "data-name": name },
      element(
        "div",
        { class: "adapter-what" },
        element("span", { class: "adapter-name", dir: "auto", text: name }),
        base ? element("span", { class: "fine" }, "for ", element("bdi", { text: base })) : null,
        element("span", { class: "fine", text: facts.filter(Boolean).join(" · ") }),
        mark ? element("span", { class: "fine", text: mark }) : null,
        problem ? element("p", { class: "row-problem", text: problem }) : null,
        refusal ? element("p", { class: "row-problem", role: "alert", text: refusal }) : null,
      ),
      this.model && (adapter.loaded || !problem) ? this.deeds(adapter) : null,
    );
  }

  deeds({ name, loaded, weight }) {
    const deed = (word, action) => button(word, () => this.act(action, name, { name }), "quiet-button", { "aria-label": `${word} ${name}`, "data-key": `deed ${name}` });
    if (!loaded) return element("div", { class: "adapter-deeds" }, deed("Load", "adapter_load"));
    const isOn = weight !== null;
    const strength = element("input", {
      type: "number",
      class: "form-field weight",
      min: -this.largest_weight,
      max: this.largest_weight,
      step: 0.1,
      value: weight ?? 1,
      disabled: !isOn,
      "data-key": `weight ${name}`,
      "aria-label": `Weight of ${name}`,
      title: "How strongly it counts; 1 is what it was trained for.",
      onchange: () => this.switch(name, strength.valueAsNumber),
    });
    const toggle = element("input", {
      type: "checkbox",
      role: "switch",
      checked: isOn,
      "data-key": `switch ${name}`,
      "aria-label": `Switch on ${name}`,
      onchange: () => this.switch(name, isOn ? null : strength.valueAsNumber),
    });
    return element(
      "div",
      { class: "adapter-deeds" },
      element("label", { class: "tool" }, toggle, element("span", { text: isOn ? "In use" : "Loaded, not in use" })),
      element("label", { class: "tool" }, element("span", { text: "Weight" }), strength),
      deed("Unload", "adapter_unload"),
    );
  }

  // Null switches it off; the others stay as they are.
  switch(name, weight) {
    const uses = this.adapters.filter((one) => one.weight !== null && one.name !== name).map((one) => ({ name: one.name, weight: one.weight }));
    const limit = this.largest_weight;
    const adapters = weight === null ? uses : [...uses, { name, weight }];
    if (weight !== null && !(Math.abs(weight) <= limit)) return this.refuse(name, `A weight is a number from -${limit} to ${limit}.`);
    if (adapters.length > this.most) return this.refuse(name, `At most ${this.most} adapters can be switched on at once. Switch another off first.`);
    return this.act("adapter_switch", name, { adapters });
  }

  async act(action, name, values) {
    this.refusals.delete(name);
    for (const control of this.list.querySelectorAll(`[data-name="${CSS.escape(name)}"] button`)) control.disabled = true;
    try {
      await this.call(action, { model: this.model, ...values });
    } catch (error) {
      this.refusals.set(name, error.message);
    }
    // What was pressed looks as it did before, also when nothing came of it.
    this.shown = "";
    await this.refresh();
  }

  refuse(name, message) {
    this.refusals.set(name, message);
    this.shown = "";
    return this.refresh();
  }
}
