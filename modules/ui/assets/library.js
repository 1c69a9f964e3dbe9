// The models on this machine: found, sorted, loaded, renamed, deleted and taken back.

import { AdapterList } from "./adapters.js";
import { element, icon } from "./dom.js";
import { Latest } from "./latest.js";
import { LibraryRow } from "./library_row.js";
import { RenameDialog } from "./rename_dialog.js";
import { StarterCard } from "./starter.js";
import { Trash } from "./trash.js";
import { bytesText } from "./words.js";

const SORTS = {
  name: { text: "Name", order: (a, b) => a.title.localeCompare(b.title) },
  size: { text: "Size", order: (a, b) => b.size_bytes - a.size_bytes },
  used: { text: "Last used", order: (a, b) => (b.last_used ?? 0) - (a.last_used ?? 0) },
};
const COLUMNS = ["", "Model", "Parameters", "Context", "Size", "Last used", "", ""];

export class LibraryList {
  constructor({ call, toasts, onChange, onLoad, onTalk, onImport, onHub }) {
    Object.assign(this, { call, toasts, onChange });
    this.latest = new Latest({
      ask: () => Promise.all([call("models_list"), this.adapters.refresh()]),
      take: ([listed]) => this.take(listed),
      fail: (error) => error.code !== "unreachable" && toasts.error(error),
    });
    this.models = [];
    this.states = new Map();
    this.rows = new Map();
    this.renamer = new RenameDialog({ call, onRenamed: (id) => this.afterRename(id) });
    this.adapters = new AdapterList({ call, toasts });
    this.trash = new Trash({ act: (name, values) => this.act(name, values) });
    this.card = new StarterCard({ call, toasts, onChange });
    this.forRows = {
      act: (name, values) => this.act(name, values),
      onLoad,
      onTalk,
      onRename: (model) => this.renamer.open(model),
      onDelete: (model) => this.remove(model),
    };
    this.search = element("input", { type: "search", class: "search", placeholder: "Find a model", "aria-label": "Find a model on this machine", maxLength: 200, oninput: () => this.arrange() });
    this.sort = element(
      "select",
      { class: "select", "aria-label": "Sort by", onchange: () => this.arrange() },
      ...Object.entries(SORTS).map(([value, { text }]) => element("option", { value, text })),
    );
    this.onlyLoaded = element("input", { type: "checkbox", onchange: () => this.arrange() });
    this.memory = element("div", { class: "memory" });
    this.list = element("ul", { class: "library", "aria-label": "Models on this machine" });
    this.nothing = element("div", { class: "nothing", role: "status", hidden: true });
    const importButton = element("button", { type: "button", class: "quiet-button", text: "Import…", onclick: onImport });
    const hubButton = element("button", { type: "button", class: "quiet-button", text: "Search the hub", onclick: onHub });
    this.none = element("div", { class: "no-models", hidden: true }, this.card.node, element("p", {}, hubButton));
    this.tools = element(
      "div",
      { class: "library-tools" },
      element("label", { class: "search-box" }, icon("search"), this.search),
      element("label", { class: "tool" }, element("span", { text: "Sort by" }), this.sort),
      element("label", { class: "tool" }, this.onlyLoaded, element("span", { text: "Loaded only" })),
      element("span", { class: "spacer" }),
      importButton,
    );
    this.columns = element("div", { class: "library-columns", "aria-hidden": "true" }, ...COLUMNS.map((text) => element("span", { text })));
    this.node = element("section", { "aria-label": "On this machine" }, this.tools, this.memory, this.columns, this.list, this.nothing, this.none, this.adapters.node, this.trash.node, this.renamer.node);
  }

  show() {
    this.isShown = true;
    this.refresh();
  }

  hide() {
    this.isShown = false;
  }

  // The program's state as the page asks for it all the time; the list itself is asked for when a state is another.
  update(state) {
    this.starter = state;
    const before = this.summary;
    this.states = new Map(state.models.map((one) => [one.id, one]));
    this.summary = JSON.stringify(state.models.map(({ id, state: word }) => [id, word]));
    if (!this.isShown) return;
    if (before !== this.summary) this.refresh();
    else this.arrange();
  }

  refresh() {
    return this.latest.refresh();
  }

  take({ models, memory, trash }) {
    this.models = models;
    this.isKnown = true;
    this.showMemory(memory);
    this.trash.show(trash);
    this.arrange();
  }

  showMemory({ used_bytes: used, budget_bytes: budget }) {
    const text = `Loaded models use ${bytesText(used)} of ${bytesText(budget)} of memory.`;
    this.memory.replaceChildren(
      element("span", { text }),
      element("meter", { max: budget, value: Math.min(used, budget), "aria-label": "Memory in use" }),
    );
  }

  // --- the list ---

  arrange() {
    if (!this.isKnown) return;
    const all = this.models.map((one) => ({ ...one, ...this.liveState(one.id) }));
    const words = this.search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = all
      .filter((one) => !this.onlyLoaded.checked || one.state === "ready" || one.state === "loading")
      .filter((one) => words.every((word) => searchText(one).includes(word)))
      .sort((a, b) => Number(a.is_built_in) - Number(b.is_built_in) || Number(b.favourite) - Number(a.favourite) || SORTS[this.sort.value].order(a, b));
    this.place(found);
    const isEmpty = all.every((one) => one.is_built_in);
    this.tools.hidden = this.columns.hidden = this.memory.hidden = isEmpty;
    this.none.hidden = !isEmpty;
    if (isEmpty && this.starter) this.card.show(this.starter);
    this.nothing.hidden = isEmpty || found.length > 0;
    this.nothing.textContent = words.length ? "No model on this machine matches." : "No model is loaded.";
  }

  liveState(id) {
    const one = this.states.get(id);
    if (!one) return {};
    const { state, fraction, note, error, details } = one;
    return { state, fraction, note, error, details };
  }

  place(models) {
    const rows = new Map();
    for (const model of models) {
      const row = this.rows.get(model.id) ?? new LibraryRow(this.forRows);
      row.show(model);
      rows.set(model.id, row);
    }
    const wanted = [...rows.values()].map((row) => row.node);
    for (const node of [...this.list.children]) if (!wanted.includes(node)) node.remove();
    for (const [place, node] of wanted.entries()) {
      if (this.list.children[place] !== node) this.list.insertBefore(node, this.list.children[place] ?? null);
    }
    this.rows = rows;
  }

  // --- changes ---

  // True when the program accepted it.
  async act(name, values) {
    try {
      await this.call(name, values);
      return true;
    } catch (error) {
      this.toasts.error(error);
      return false;
    } finally {
      await Promise.all([this.refresh(), this.onChange()]);
    }
  }

  async afterRename(id) {
    await Promise.all([this.refresh(), this.onChange()]);
    this.rows.get(id)?.focus();
  }

  // One that is loaded is unloaded first, as its button says.
  async remove(model) {
    const hadFocus = this.rows.get(model.id)?.node.contains(document.activeElement);
    try {
      if (model.state === "ready") await this.call("models_unload", { model: model.id });
      const { trashed } = await this.call("models_delete", { model: model.id });
      const undo = async () => {
        if (await this.act("models_restore", { trash_id: trashed.id })) this.rows.get(model.id)?.focus();
      };
      this.toasts.show(`Deleted “${model.title}”.`, { action: "Undo", onAction: undo });
    } catch (error) {
      this.toasts.error(error);
    }
    await Promise.all([this.refresh(), this.onChange()]);
    if (hadFocus && document.activeElement === document.body) this.search.focus();
  }
}

function searchText(model) {
  return [model.title, model.id, model.format, model.quantization, model.architecture, model.licence, model.user_note].join(" ").toLowerCase();
}
