// The adapters on this machine, and the loaded model that they are put on.

import { AdapterRow } from "./adapter_row.js";
import { element } from "./dom.js";
import { choiceOf } from "./forms.js";
import { Latest } from "./latest.js";

export class AdapterList {
  constructor({ call, toasts }) {
    Object.assign(this, { call, toasts });
    this.model = null;
    this.latest = new Latest({
      ask: () => call("adapter_list", { model: this.model }),
      take: (state) => this.show(state),
      fail: (error) => error.code !== "unreachable" && toasts.error(error),
    });
    // By name: why the last thing that was asked of it could not be done.
    this.refusals = new Map();
    this.rows = new Map();
    // Names of those that something has been asked of, and when the last of it is answered.
    this.busy = new Set();
    this.last = Promise.resolve();
    this.where = element("div", { class: "adapters-where" });
    this.list = element("ul", { class: "adapter-list", "aria-label": "Adapters" });
    this.node = element("section", { class: "adapters", hidden: true, "aria-labelledby": "adapters-title" }, element("h2", { id: "adapters-title", text: "Adapters" }), this.where, this.list);
  }

  refresh() {
    return this.latest.refresh();
  }

  // Rows stay as long as their adapter is listed, so that the focus and what is being typed stay.
  show(state) {
    const where = JSON.stringify([state.models, state.model, state.note]);
    Object.assign(this, state, { state });
    this.node.hidden = !state.adapters.length;
    if (where !== this.shownWhere) this.showWhere();
    this.shownWhere = where;
    const rows = new Map(state.adapters.map((adapter) => [adapter.name, this.rows.get(adapter.name) ?? this.row(adapter.name)]));
    for (const [name, row] of this.rows) if (!rows.has(name)) row.node.remove();
    this.rows = rows;
    state.adapters.forEach((adapter, place) => {
      const { node } = rows.get(adapter.name);
      if (this.list.children[place] !== node) this.list.insertBefore(node, this.list.children[place] ?? null);
      this.showRow(adapter);
    });
  }

  row(name) {
    const onDeed = (action) => this.busy.has(name) || this.act(name, action, () => ({ name }));
    return new AdapterRow(name, { onDeed, onWeigh: (weight) => this.weigh(name, weight) });
  }

  showRow(adapter) {
    const { name } = adapter;
    const row = this.rows.get(name);
    row.show(adapter, { refusal: this.refusals.get(name), isBusy: this.busy.has(name), largestWeight: this.largest_weight, hasModel: Boolean(this.model) });
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
    const choose = choiceOf(models.map(({ id, title }) => [id, title]), { class: "select", "aria-label": "Model", onchange: () => this.choose(choose.value) });
    choose.value = this.model;
    this.where.replaceChildren(element("label", { class: "tool" }, element("span", { text: "On the loaded model" }), choose), note);
  }

  choose(model) {
    this.model = model;
    this.refusals.clear();
    return this.refresh();
  }

  // Null switches it off; the others stay as they are.
  weigh(name, weight) {
    if (weight === null) return this.act(name, "adapter_switch", () => ({ adapters: this.uses(name) }));
    const limit = this.largest_weight;
    if (!(Math.abs(weight) <= limit)) return this.refuse(name, `A weight is a number from -${limit} to ${limit}.`);
    if (this.uses(name).length >= this.most) return this.refuse(name, `At most ${this.most} adapters can be switched on at once. Switch another off first.`);
    return this.act(name, "adapter_switch", () => ({ adapters: [...this.uses(name), { name, weight }] }));
  }

  // Of all that are switched on but this one.
  uses(name) {
    return this.adapters.filter((one) => one.weight !== null && one.name !== name).map((one) => ({ name: one.name, weight: one.weight }));
  }

  // One after another: what is asked of all starts from what the one before has made of them.
  act(name, action, values) {
    this.busy.add(name);
    this.refusals.delete(name);
    this.show(this.state);
    this.last = this.last.then(async () => {
      try {
        await this.call(action, { model: this.model, ...values() });
      } catch (error) {
        this.refusals.set(name, error.message);
      }
      this.busy.delete(name);
      await this.refresh();
      // What could not be done is said also where nothing new was heard.
      this.show(this.state);
    });
    return this.last;
  }

  refuse(name, message) {
    this.refusals.set(name, message);
    this.show(this.state);
  }
}
