// Past things by their titles in the side bar: find, open, rename, delete with undo.

import { element, icon, iconButton } from "./dom.js";
import { EntrySheet } from "./entry_sheet.js";
import { Latest } from "./latest.js";

const SEARCH_PAUSE_MS = 180;
const SEARCH_CHARS = 500;
const TITLE_CHARS = 200;
// The place of that button in its row.
const RENAME_BUTTON = 1;

export class EntryList {
  // `kind` is one thing's name, as in the names of its actions and classes; `words` are what the list says.
  // `arrange` gives the entries their order and groups: pairs of a group's heading and its entries. `deeds` are what can
  // be done with one besides renaming and deleting it: each a shape, a text, a label that names the entry, and `act`.
  constructor({ call, toasts, kind, words, actions, arrange, deeds = () => [], onOpen, onNew, onListed, onRenamed, onDeleted, onRestored }) {
    Object.assign(this, { call, toasts, kind, words, actions, arrange, deeds, onOpen, onNew, onListed, onRenamed, onDeleted, onRestored });
    this.openId = null;
    this.latest = new Latest({
      ask: () => this.ask(),
      take: (answer) => this.take(answer),
      fail: (error) => toasts.error(error),
    });
    this.entries = [];
    this.renaming = null;
    // By entry: its row, and what the row was made from.
    this.rows = new Map();
    this.search = element("input", {
      type: "search",
      class: "search",
      placeholder: "Search",
      "aria-label": words.search,
      dir: "auto",
      maxLength: SEARCH_CHARS,
      oninput: () => this.searchSoon(),
    });
    this.newButton = element(
      "button",
      { type: "button", class: "new-entry", title: "Ctrl+Shift+O", onclick: () => onNew() },
      icon("plus"),
      words.create,
    );
    this.sheet = new EntrySheet();
    this.list = element("nav", { class: "entries", "aria-label": words.title });
    this.node = element(
      "div",
      { class: "entry-part", hidden: true },
      this.newButton,
      element("label", { class: "search-box" }, icon("search"), this.search),
      this.list,
      this.sheet.node,
    );
  }

  searchSoon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.refresh(), SEARCH_PAUSE_MS);
  }

  clearSearch() {
    if (!this.search.value) return;
    clearTimeout(this.timer);
    this.search.value = "";
    this.refresh();
  }

  refresh() {
    return this.latest.refresh();
  }

  async ask() {
    const words = this.search.value;
    return { words, answer: await this.call(this.actions.list, { search: words }) };
  }

  take({ words, answer }) {
    // Another search is about to be asked for.
    if (words !== this.search.value) return;
    this.onListed?.(answer);
    this.show(answer[`${this.kind}s`]);
  }

  mark(id) {
    this.openId = id;
    for (const row of this.list.querySelectorAll(".entry")) {
      markRow(row, id);
    }
  }

  show(entries) {
    this.entries = entries;
    const nodes = [];
    const rows = new Map();
    const found = entries.length ? [[heading("Found"), entries]] : [];
    for (const [head, members] of this.search.value ? found : this.arrange(entries)) {
      nodes.push(head);
      for (const one of members) {
        const entry = this.entry(one);
        rows.set(one.id, entry);
        nodes.push(entry.row);
      }
    }
    if (!entries.length) {
      const text = this.search.value ? "Nothing found." : this.words.none;
      nodes.push(element("p", { class: "empty-list", text }));
    }
    this.place(nodes);
    this.rows = rows;
    if (!rows.has(this.renaming)) this.renaming = null;
  }

  // A row whose entry is as it was stays, and so does one whose title is being typed.
  entry(one) {
    const { title, snippet, id } = one;
    const shown = JSON.stringify([title, snippet, one.folder]);
    const old = this.rows.get(id);
    if (old && (old.shown === shown || this.renaming === id)) return old;
    return { row: this.row(one), shown };
  }

  // What stands where it should is not touched: elements lose the focus when they are moved, and get it back here.
  place(nodes) {
    const focus = focusIn(this.list);
    const wanted = new Set(nodes);
    this.isPlacing = true;
    for (const old of [...this.list.children]) if (!wanted.has(old)) old.remove();
    for (const [place, node] of nodes.entries()) {
      const there = this.list.children[place] ?? null;
      if (there !== node) this.list.insertBefore(node, there);
    }
    this.isPlacing = false;
    if (focus) focusAgain(this.list, focus);
  }

  row(one) {
    const title = element("span", { class: "title", dir: "auto", text: one.title });
    const open = element(
      "button",
      { type: "button", class: "open-entry", title: one.title, onclick: () => this.onOpen(one.id) },
      title,
      one.snippet ? element("span", { class: "snippet", dir: "auto", safeHtml: one.snippet }) : null,
    );
    const row = element("div", { class: `entry ${this.kind}`, "data-id": one.id }, open);
    const deeds = [
      { shape: "edit", text: "Rename", label: `Rename ${one.title}`, act: () => this.beginRename(row, one) },
      ...this.deeds(one),
      { shape: "trash", text: "Delete", label: `Delete ${one.title}`, act: () => this.remove(one) },
    ];
    row.append(
      ...deeds.map(({ shape, label, act }) => iconButton(shape, label, act, "row-action")),
      iconButton("more", `What to do with ${one.title}`, () => this.sheet.open(one.title, deeds), "entry-more"),
    );
    markRow(row, this.openId);
    return row;
  }

  beginRename(row, one) {
    const { id, title } = one;
    const field = element("input", { class: "rename", value: title, dir: "auto", "aria-label": "New title", maxLength: TITLE_CHARS });
    this.renaming = id;
    const finish = async (keep) => {
      if (this.renaming !== id) return;
      this.renaming = null;
      const hadFocus = document.activeElement === field;
      this.rows.delete(id);
      this.show(this.entries);
      if (hadFocus) focusAgain(this.list, { id, place: RENAME_BUTTON });
      if (keep && field.value.trim() && field.value !== title) await this.rename(one, field.value);
    };
    field.addEventListener("keydown", (event) => {
      const isEnter = event.key === "Enter" && !event.isComposing;
      if (!isEnter && event.key !== "Escape") return;
      // The key would go on to press the button that gets the focus.
      event.preventDefault();
      finish(isEnter);
    });
    // Neither a refreshed list nor another window in front means that the person is done.
    field.addEventListener("blur", () => this.isPlacing || document.activeElement === field || finish(true));
    row.replaceChildren(field);
    field.focus();
    field.select();
  }

  async rename(one, title) {
    try {
      const answer = await this.call(this.actions.rename, { id: one.id, title });
      this.onRenamed(answer[this.kind]);
    } catch (error) {
      this.toasts.error(error);
    }
    await this.refresh();
  }

  async remove(one) {
    const after = this.neighbour(one.id);
    try {
      await this.call(this.actions.delete, { id: one.id });
      this.onDeleted(one.id);
      const undo = async () => {
        try {
          await this.call(this.actions.restore, { id: one.id });
          this.onRestored(one.id);
        } catch (error) {
          this.toasts.error(error);
        }
        await this.refresh();
      };
      this.toasts.show(`Deleted “${one.title}”.`, { action: "Undo", onAction: undo });
    } catch (error) {
      this.toasts.error(error);
    }
    const hadFocus = this.list.contains(document.activeElement);
    await this.refresh();
    if (hadFocus && document.activeElement === document.body) this.focusRow(after);
  }

  neighbour(id) {
    const place = this.entries.findIndex((one) => one.id === id);
    return (this.entries[place + 1] ?? this.entries[place - 1])?.id;
  }

  focusRow(id) {
    if (this.rows.has(id)) focusAgain(this.list, { id, place: 0 });
    else this.newButton.focus();
  }
}

export function heading(text) {
  return element("h2", { class: "group", text });
}

// The row that holds the focus, and which of its parts.
function focusIn(list) {
  const row = list.contains(document.activeElement) ? document.activeElement.closest(".entry") : null;
  return row && { id: row.dataset.id, place: [...row.children].indexOf(document.activeElement) };
}

function focusAgain(list, { id, place }) {
  const row = [...list.querySelectorAll(".entry")].find((one) => one.dataset.id === id);
  // A row's other buttons are only there while the row holds the focus.
  row?.firstElementChild.focus({ preventScroll: true });
  row?.children[place]?.focus({ preventScroll: true });
}

function markRow(row, openId) {
  const isOpen = row.dataset.id === openId;
  row.classList.toggle("open", isOpen);
  row.querySelector("button")?.setAttribute("aria-current", String(isOpen));
}
