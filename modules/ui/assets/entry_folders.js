// Past things in the side bar with folders: those without one by the day of their last change, then folder by folder.

import { element, icon, iconButton } from "./dom.js";
import { EntryList, heading } from "./entries.js";
import { FolderDialog } from "./folder_dialog.js";

const DAY_SECONDS = 86400;

export class FolderedEntries {
  // As an EntryList, with `actions.move` and `actions.moveFolder`. Which folders are closed is kept under `keptUnder`.
  // `onMoved` is told an entry that got another folder here.
  constructor({ call, toasts, kind, actions, keptUnder, deeds = () => [], onMoved, onFoldersMoved, ...rest }) {
    Object.assign(this, { call, toasts, kind, actions, keptUnder, onMoved, onFoldersMoved });
    this.folders = [];
    this.folded = new Set(JSON.parse(localStorage.getItem(keptUnder) ?? "[]"));
    this.heads = new Map();
    this.dialog = new FolderDialog(`${kind}-folders`);
    this.list = new EntryList({
      ...rest,
      call,
      toasts,
      kind,
      actions,
      arrange: (entries) => this.arrange(entries),
      deeds: (one) => [{ shape: "folder", text: "Move to a folder", label: `Move ${one.title}`, act: () => this.move(one) }, ...deeds(one)],
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

  clearSearch() {
    this.list.clearSearch();
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
    localStorage.setItem(this.keptUnder, JSON.stringify([...this.folded]));
    this.list.show(this.list.entries);
    this.list.list.querySelector(`[data-folder="${CSS.escape(name)}"] button`)?.focus();
  }

  async move({ id, title, folder }) {
    const wanted = await this.dialog.ask(`Move “${title}”`, folder, this.folders, "Move");
    if (wanted === null || wanted === folder) return;
    await this.change(async () => this.onMoved((await this.call(this.actions.move, { id, folder: wanted }))[this.kind]));
  }

  async renameFolder(folder) {
    const wanted = await this.dialog.ask(`Rename the folder “${folder}”`, folder, this.folders, "Rename");
    if (wanted === null || wanted === folder) return;
    await this.change(async () => {
      await this.call(this.actions.moveFolder, { folder, new_folder: wanted });
      this.onFoldersMoved?.();
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

// `entries` come newest first.
function byDay(entries) {
  const days = Map.groupBy(entries, (one) => dayName(one.updated));
  return [...days].map(([name, members]) => [heading(name), members]);
}

function dayName(seconds) {
  const midnight = new Date();
  midnight.setHours(0, 0, 0, 0);
  const today = midnight.getTime() / 1000;
  if (seconds >= today) return "Today";
  if (seconds >= today - DAY_SECONDS) return "Yesterday";
  return "Earlier";
}
