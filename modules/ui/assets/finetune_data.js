// What a run learns from: a file, the person's own conversations, a dataset on the hub, a path; and what it holds.

import { control } from "./control.js";
import { element, iconButton } from "./dom.js";
import { FormError, button, labelled } from "./forms.js";
import { ConversationSource } from "./finetune_conversations.js";
import { HubDatasets } from "./finetune_hub_data.js";
import { DataLook } from "./finetune_look.js";
import { Upload } from "./finetune_upload.js";
import { agoText, fileSizeText } from "./words.js";

const KINDS = { dataset: "Files", conversations: "My conversations", hub: "The hub", path: "A path" };
const NAME_CHARS = 4096;

export class DataChoice {
  // `onChosen(look)` when the chosen data was read and can be used, `onFailed` when it cannot.
  constructor({ toasts, draft, onChosen, onFailed }) {
    Object.assign(this, { toasts, draft });
    this.datasets = [];
    this.upload = new Upload({ taken: () => this.datasets.map((one) => one.name), onUploaded: (dataset) => this.onUploaded(dataset) });
    this.list = element("ul", { class: "tune-list", "aria-label": "Files in data/datasets" });
    this.conversations = new ConversationSource({ onUse: (conversations) => this.use({ conversations }) });
    this.downloaded = new HubDatasets({ toasts, onUse: (hub) => this.use({ hub }), onDeleted: (hub) => this.draft.get("data")?.hub === hub && this.draft.set({ data: null }) });
    this.parts = {
      dataset: element("div", { class: "tune-part" }, this.upload.node, this.list),
      conversations: this.conversations.node,
      hub: this.hubForm(),
      path: this.pathForm(),
    };
    this.kinds = element("div", { class: "segments", role: "group", "aria-label": "Where the data comes from" }, ...Object.entries(KINDS).map(([kind, words]) => button(words, () => this.turnTo(kind), "segment", { "data-kind": kind })));
    this.look = new DataLook({ draft, onChosen, onFailed });
    this.node = element("div", { class: "tune-part" }, this.kinds, ...Object.values(this.parts), this.look.node);
    this.turnTo(kindOf(draft.get("data")) ?? "dataset");
  }

  turnTo(kind) {
    for (const one of this.kinds.children) one.setAttribute("aria-pressed", String(one.dataset.kind === kind));
    for (const [name, part] of Object.entries(this.parts)) part.hidden = name !== kind;
    if (kind === "conversations") this.conversations.find();
    if (kind === "hub") this.downloaded.look();
  }

  async refresh() {
    try {
      this.datasets = (await control("datasets")).datasets;
    } catch (error) {
      this.toasts.error(error);
      return;
    }
    this.show();
  }

  show() {
    this.list.replaceChildren(...this.datasets.map((one) => this.row(one)));
    this.look.follow();
  }

  row({ name, size_bytes: size, modified, files }) {
    const isChosen = this.draft.get("data")?.dataset === name;
    const facts = [fileSizeText(size), files > 1 ? `${files} files` : "", agoText(modified)].filter(Boolean).join(" · ");
    return element(
      "li",
      { class: "tune-row" },
      element(
        "label",
        { class: "row-choice" },
        element("input", { type: "radio", name: "finetune-dataset", checked: isChosen, onchange: () => this.use({ dataset: name }) }),
        element("span", { class: "tune-name", dir: "auto", text: name }),
        element("span", { class: "fine", text: facts }),
      ),
      iconButton("trash", `Delete ${name}`, (event) => this.askToDelete(event.currentTarget, name)),
    );
  }

  // A file that is deleted cannot be brought back, so the button asks once more.
  askToDelete(asked, name) {
    const sure = button("Delete for good", () => this.remove(name), "quiet-button danger", { "aria-label": `Delete ${name} for good`, onblur: () => sure.replaceWith(asked) });
    asked.replaceWith(sure);
    sure.focus();
  }

  async remove(name) {
    try {
      await control("datasets/delete", { name });
      if (this.draft.get("data")?.dataset === name) this.draft.set({ data: null });
    } catch (error) {
      this.toasts.error(error);
    }
    await this.refresh();
  }

  async onUploaded({ name }) {
    this.use({ dataset: name });
    await this.refresh();
  }

  use(source) {
    this.draft.set({ data: source });
    this.look.follow({ isAsked: true });
    if (!source.dataset) this.show();
  }

  hubForm() {
    const field = (properties) => element("input", { type: "text", class: "form-field", maxLength: NAME_CHARS, spellcheck: false, autocapitalize: "off", ...properties });
    const { hub = "", hub_config: config = "", hub_split: split = "" } = this.draft.get("data") ?? {};
    const [name, part, piece] = [field({ value: hub, placeholder: "user/dataset", required: true }), field({ value: config }), field({ value: split, placeholder: "train" })];
    const onsubmit = (event) => {
      event.preventDefault();
      const others = { hub_config: part.value.trim(), hub_split: piece.value.trim() };
      this.use({ hub: name.value.trim(), ...Object.fromEntries(Object.entries(others).filter(([, value]) => value)) });
    };
    return element(
      "form",
      { class: "tune-part", onsubmit },
      element("div", { class: "tune-fields" }, labelled("Name on the hub", name), labelled("Subset, if it has some", part), labelled("Split", piece)),
      element("p", { class: "fine", text: "It is downloaded when you press the button; nothing is asked before." }),
      element("div", {}, element("button", { type: "submit", class: "quiet-button", text: "Get it and look" })),
      this.downloaded.node,
    );
  }

  pathForm() {
    const path = element("input", { type: "text", class: "form-field", maxLength: NAME_CHARS, spellcheck: false, required: true, placeholder: "/home/me/letters", value: this.draft.get("data")?.path ?? "" });
    const error = new FormError({ path });
    const onsubmit = (event) => {
      event.preventDefault();
      this.use({ path: path.value.trim() });
    };
    return element(
      "form",
      { class: "tune-part", onsubmit },
      labelled("Path on the machine that Parlor runs on", path, "A file, or a folder of files of one kind."),
      error.node,
      element("div", {}, element("button", { type: "submit", class: "quiet-button", text: "Look" })),
    );
  }
}

function kindOf(source) {
  return source && Object.keys(KINDS).find((kind) => source[kind]);
}
