// Documents in the side bar: those without a folder by the day of their last change, then folder by folder.

import { byDay } from "./conversations.js";
import { element, icon, iconButton } from "./dom.js";
import { EntryList } from "./entries.js";
import { FolderDialog } from "./documents_folder.js";

const KEPT_UNDER = "folded-folders";

export class Documents {
  // `onChanged` is told a document that got another folder here.
  constructor({ call, toasts, onChanged, onFoldersMoved, ...events }) {
    Object.assign(this, { call, toasts, onChanged, onFoldersMoved });
    this.folders = [];
    this.folded = new Set(JSON.parse(localStorage.getItem(KEPT_UNDER) ?? "[]"));
    this.heads = new Map();
    this.dialog = new FolderDialog();
    this.list = new EntryList({
      call,
      toasts,
      ...events,
      kind: "document",
      words: {
        title: "Documents",
        search: "Search documents",
        create: "New document",
        none: "Your documents will be here.",
      },
      actions: { list: "notebook_list", rename: "notebook_rename", delete: "notebook_delete", restore: "notebook_restore" },
      arrange: (entries) => this.arrange(entries),
      rowButtons: (one) => [iconButton("folder", `Move ${one.title}`, () => this.move(one), "row-action move")],
      onListed: ({ folders }) => (this.folders = folders),
    });
    this.list.node.append(this.dialog.node);
  }

  refresh() {
    return this.list.refresh();
  }

  mark(id) {
    this.list.mark(id);
  }

  arrange(entries) {
    const folders = Map.groupBy(entries.filter((one) => one.folder), (one) => one.folder);
    const names = [...folders.keys()].sort((a, b) => a.localeCompare(b));
    return [
      ...byDay(entries.filter((one) => !one.folder)),
      ...names.map((name) => [this.keptHead(name), this.folded.has(name) ? [] : folders.get(name)]),
    ];
  }

  // A heading that is as it was stays, and keeps the focus.
  keptHead(name) {
    const isOpen = !this.folded.has(name);
    const old = this.heads.get(name);
    if (old?.isOpen === isOpen) return old.node;
    const node = this.folderHead(name, isOpen);
    this.heads.set(name, { node, isOpen });
    return node;
  }

  folderHead(name, isOpen) {
    const fold = element(
      "button",
      { type: "button", class: "fold-folder", "aria-expanded": String(isOpen), onclick: () => this.fold(name) },
      icon(isOpen ? "down" : "right"),
      element("span", { dir: "auto", text: name.replaceAll("/", " / ") }),
    );
    return element(
      "div",
      { class: "group folder", "data-folder": name },
      fold,
      iconButton("edit", `Rename folder ${name}`, () => this.renameFolder(name), "row-action"),
    );
  }

  fold(name) {
    if (!this.folded.delete(name)) this.folded.add(name);
    localStorage.setItem(KEPT_UNDER, JSON.stringify([...this.folded]));
    this.list.show(this.list.entries);
    this.list.list.querySelector(`[data-folder="${CSS.escape(name)}"] button`)?.focus();
  }

  async move({ id, title, folder }) {
    const wanted = await this.dialog.ask(`Move “${title}”`, folder, this.folders, "Move");
    if (wanted === null || wanted === folder) return;
    await this.change(async () => this.onChanged((await this.call("notebook_move", { id, folder: wanted })).document));
  }

  async renameFolder(folder) {
    const wanted = await this.dialog.ask(`Rename the folder “${folder}”`, folder, this.folders, "Rename");
    if (wanted === null || wanted === folder) return;
    await this.change(async () => {
      await this.call("notebook_move_folder", { folder, new_folder: wanted });
      this.onFoldersMoved();
    });
  }

  async change(work) {
    try {
      await work();
    } catch (error) {
      this.toasts.error(error);
    }
    await this.list.refresh();
  }
}
