// The page's views, and past conversations: find, open, rename, delete with undo.

import { brandMark, element, icon, iconButton } from "./dom.js";

const SEARCH_PAUSE_MS = 180;
const SEARCH_CHARS = 500;
// The place of that button in its row.
const RENAME_BUTTON = 1;
const DAY_SECONDS = 86400;
const VIEWS = { chat: ["chat", "Chat"], templates: ["form", "Templates"], models: ["cube", "Models"] };

export class Sidebar {
  constructor({ call, toasts, onView, onOpen, onNew, onRenamed, onDeleted, onRestored }) {
    Object.assign(this, { call, toasts, onView, onOpen, onNew, onRenamed, onDeleted, onRestored });
    this.openId = null;
    this.conversations = [];
    this.renaming = null;
    // By conversation: its row, and what the row was made from.
    this.rows = new Map();
    this.search = element("input", {
      type: "search",
      class: "search",
      placeholder: "Search",
      "aria-label": "Search conversations",
      dir: "auto",
      maxLength: SEARCH_CHARS,
      oninput: () => this.searchSoon(),
    });
    this.views = element("nav", { class: "view-links", "aria-label": "Views" }, ...Object.keys(VIEWS).map((name) => this.viewLink(name)));
    this.list = element("nav", { class: "conversations", "aria-label": "Conversations" });
    this.node = element(
      "aside",
      { class: "sidebar", "aria-label": "Conversations" },
      element(
        "div",
        { class: "sidebar-head" },
        element("span", { class: "brand" }, brandMark(), "Parlor"),
        iconButton("close", "Close conversations", () => this.showDrawer(false), "drawer-close"),
      ),
      this.views,
      element(
        "button",
        { type: "button", class: "new-chat", title: "Ctrl+Shift+O", onclick: () => this.startNew() },
        icon("plus"),
        "New chat",
      ),
      element("label", { class: "search-box" }, icon("search"), this.search),
      this.list,
    );
    this.scrim = element("div", { class: "scrim", onclick: () => this.showDrawer(false) });
    this.node.addEventListener("keydown", (event) => this.onKey(event));
  }

  // Escape leaves the search and the drawer; a rename has taken its own already.
  onKey(event) {
    if (event.key !== "Escape" || event.defaultPrevented) return;
    const isSearching = event.target === this.search;
    if (isSearching) {
      this.clearSearch();
      this.search.blur();
    }
    if (isSearching || this.node.classList.contains("shown")) event.preventDefault();
    this.showDrawer(false);
  }

  showDrawer(shown) {
    if (shown === this.node.classList.contains("shown")) return;
    this.node.classList.toggle("shown", shown);
    this.scrim.classList.toggle("shown", shown);
    if (shown) {
      this.cameFrom = document.activeElement;
      this.node.querySelector(".new-chat").focus();
    } else {
      this.cameFrom.focus();
    }
  }

  viewLink(name) {
    const [shape, label] = VIEWS[name];
    const turn = () => {
      this.showDrawer(false);
      this.onView(name);
    };
    return element("button", { type: "button", class: "view-link", "data-view": name, onclick: turn }, icon(shape), label);
  }

  markView(name) {
    for (const link of this.views.children) {
      if (link.dataset.view === name) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
  }

  startNew() {
    this.showDrawer(false);
    this.onNew();
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

  async refresh() {
    const words = this.search.value;
    try {
      const { conversations } = await this.call("chat_list", { search: words });
      // An answer to an older search that comes late is not shown.
      if (words === this.search.value) this.show(conversations);
    } catch (error) {
      this.toasts.error(error);
    }
  }

  mark(id) {
    this.openId = id;
    for (const row of this.list.querySelectorAll(".conversation")) {
      markRow(row, id);
    }
  }

  show(conversations) {
    this.conversations = conversations;
    const nodes = [];
    const rows = new Map();
    let group = "";
    for (const conversation of conversations) {
      const name = this.search.value ? "Found" : dayName(conversation.updated);
      if (name !== group) nodes.push(element("h2", { class: "group", text: name }));
      group = name;
      const entry = this.entry(conversation);
      rows.set(conversation.id, entry);
      nodes.push(entry.row);
    }
    if (!conversations.length) {
      const text = this.search.value ? "Nothing found." : "Your conversations will be here.";
      nodes.push(element("p", { class: "empty-list", text }));
    }
    this.place(nodes);
    this.rows = rows;
    if (!rows.has(this.renaming)) this.renaming = null;
  }

  // A row whose conversation is as it was stays, and so does one whose title is being typed.
  entry(conversation) {
    const { title, snippet, id } = conversation;
    const shown = JSON.stringify([title, snippet]);
    const old = this.rows.get(id);
    if (old && (old.shown === shown || this.renaming === id)) return old;
    return { row: this.row(conversation), shown };
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

  row(conversation) {
    const title = element("span", { class: "title", dir: "auto", text: conversation.title });
    const open = element(
      "button",
      { type: "button", class: "open-conversation", title: conversation.title, onclick: () => this.open(conversation.id) },
      title,
      conversation.snippet ? element("span", { class: "snippet", dir: "auto", safeHtml: conversation.snippet }) : null,
    );
    const row = element("div", { class: "conversation", "data-id": conversation.id }, open);
    row.append(
      iconButton("edit", `Rename ${conversation.title}`, () => this.beginRename(row, conversation), "row-action"),
      iconButton("trash", `Delete ${conversation.title}`, () => this.remove(conversation), "row-action"),
    );
    markRow(row, this.openId);
    return row;
  }

  open(id) {
    this.showDrawer(false);
    this.onOpen(id);
  }

  beginRename(row, conversation) {
    const { id, title } = conversation;
    const field = element("input", { class: "rename", value: title, dir: "auto", "aria-label": "New title", maxLength: 200 });
    this.renaming = id;
    const finish = async (keep) => {
      if (this.renaming !== id) return;
      this.renaming = null;
      const hadFocus = document.activeElement === field;
      this.rows.delete(id);
      this.show(this.conversations);
      if (hadFocus) focusAgain(this.list, { id, place: RENAME_BUTTON });
      if (keep && field.value.trim() && field.value !== title) await this.rename(conversation, field.value);
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

  async rename(conversation, title) {
    try {
      const answer = await this.call("chat_rename", { id: conversation.id, title });
      this.onRenamed(answer.conversation);
    } catch (error) {
      this.toasts.error(error);
    }
    await this.refresh();
  }

  async remove(conversation) {
    const after = this.neighbour(conversation.id);
    try {
      await this.call("chat_delete", { id: conversation.id });
      this.onDeleted(conversation.id);
      const undo = async () => {
        try {
          await this.call("chat_restore", { id: conversation.id });
          this.onRestored(conversation.id);
        } catch (error) {
          this.toasts.error(error);
        }
        await this.refresh();
      };
      this.toasts.show(`Deleted “${conversation.title}”.`, { action: "Undo", onAction: undo });
    } catch (error) {
      this.toasts.error(error);
    }
    const hadFocus = this.list.contains(document.activeElement);
    await this.refresh();
    if (hadFocus && document.activeElement === document.body) this.focusRow(after);
  }

  neighbour(id) {
    const place = this.conversations.findIndex((one) => one.id === id);
    return (this.conversations[place + 1] ?? this.conversations[place - 1])?.id;
  }

  focusRow(id) {
    if (this.rows.has(id)) focusAgain(this.list, { id, place: 0 });
    else this.node.querySelector(".new-chat").focus();
  }
}

// The row that holds the focus, and which of its parts.
function focusIn(list) {
  const row = list.contains(document.activeElement) ? document.activeElement.closest(".conversation") : null;
  return row && { id: row.dataset.id, place: [...row.children].indexOf(document.activeElement) };
}

function focusAgain(list, { id, place }) {
  const row = [...list.querySelectorAll(".conversation")].find((one) => one.dataset.id === id);
  // A row's other buttons are only there while the row holds the focus.
  row?.firstElementChild.focus({ preventScroll: true });
  row?.children[place]?.focus({ preventScroll: true });
}

function markRow(row, openId) {
  const isOpen = row.dataset.id === openId;
  row.classList.toggle("open", isOpen);
  row.querySelector("button")?.setAttribute("aria-current", String(isOpen));
}

function dayName(seconds) {
  const midnight = new Date();
  midnight.setHours(0, 0, 0, 0);
  const today = midnight.getTime() / 1000;
  if (seconds >= today) return "Today";
  if (seconds >= today - DAY_SECONDS) return "Yesterday";
  return "Earlier";
}
