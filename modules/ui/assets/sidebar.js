// Past conversations: find, open, rename, delete with undo.

import { brandMark, element, icon, iconButton } from "./dom.js";

const SEARCH_PAUSE_MS = 180;
const DAY_SECONDS = 86400;

export class Sidebar {
  constructor({ call, toasts, onOpen, onNew, onRenamed, onDeleted }) {
    Object.assign(this, { call, toasts, onOpen, onNew, onRenamed, onDeleted });
    this.openId = null;
    this.conversations = [];
    this.search = element("input", {
      type: "search",
      class: "search",
      placeholder: "Search",
      "aria-label": "Search conversations",
      oninput: () => this.searchSoon(),
    });
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
    this.node.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !this.node.classList.contains("shown")) return;
      event.preventDefault();
      this.showDrawer(false);
    });
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

  startNew() {
    this.showDrawer(false);
    this.onNew();
  }

  searchSoon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.refresh(), SEARCH_PAUSE_MS);
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
    this.list.replaceChildren();
    let group = "";
    for (const conversation of conversations) {
      const name = this.search.value ? "Found" : dayName(conversation.updated);
      if (name !== group) this.list.append(element("h2", { class: "group", text: name }));
      group = name;
      this.list.append(this.row(conversation));
    }
    if (!conversations.length) {
      const text = this.search.value ? "Nothing found." : "Your conversations will be here.";
      this.list.append(element("p", { class: "empty-list", text }));
    }
  }

  row(conversation) {
    const title = element("span", { class: "title", text: conversation.title });
    const open = element(
      "button",
      { type: "button", class: "open-conversation", title: conversation.title, onclick: () => this.open(conversation.id) },
      title,
      conversation.snippet ? element("span", { class: "snippet", safeHtml: conversation.snippet }) : null,
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
    const field = element("input", { class: "rename", value: conversation.title, "aria-label": "New title", maxLength: 200 });
    let over = false;
    const finish = async (keep) => {
      if (over) return;
      over = true;
      if (keep && field.value.trim() && field.value !== conversation.title) await this.rename(conversation, field.value);
      else this.show(this.conversations);
    };
    field.addEventListener("keydown", (event) => {
      if (event.key === "Enter") finish(true);
      if (event.key === "Escape") {
        event.preventDefault();
        finish(false);
      }
    });
    field.addEventListener("blur", () => finish(true));
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
    try {
      await this.call("chat_delete", { id: conversation.id });
      this.onDeleted(conversation.id);
      const undo = async () => {
        try {
          await this.call("chat_restore", { id: conversation.id });
          this.onOpen(conversation.id);
        } catch (error) {
          this.toasts.error(error);
        }
        await this.refresh();
      };
      this.toasts.show(`Deleted “${conversation.title}”.`, { action: "Undo", onAction: undo });
    } catch (error) {
      this.toasts.error(error);
    }
    await this.refresh();
  }
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
