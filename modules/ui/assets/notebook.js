// The Notebook view: the open document, what a model writes into it, and what stands beside it.

import { element } from "./dom.js";
import { Abreast } from "./notebook_abreast.js";
import { BranchList } from "./notebook_branches.js";
import { Comparison } from "./notebook_compare.js";
import { Continuations } from "./notebook_continuations.js";
import { NotebookControls } from "./notebook_controls.js";
import { Counts } from "./notebook_counts.js";
import { OpenDocument } from "./notebook_document.js";
import { Following } from "./notebook_following.js";
import { NotebookHead } from "./notebook_head.js";
import { onNotebookKey } from "./notebook_keys.js";
import { MemoryForm } from "./notebook_memory.js";
import { Notice, savedWords } from "./notebook_notice.js";
import { NotebookPanel } from "./notebook_panel.js";
import { NotebookText } from "./notebook_text.js";
import { Titling } from "./notebook_title.js";
import { VersionList } from "./notebook_versions.js";
import { DocumentVisits } from "./notebook_visits.js";
import { Writing } from "./notebook_writing.js";
import { TokenChoices } from "./token_choices.js";
import { TokenIds } from "./token_ids.js";

export class NotebookView {
  constructor({ call, toasts, picker, documents, settled, onTitle, onSaved, onToChat }) {
    Object.assign(this, { call, toasts, picker, documents, settled, onTitle, onSaved, onToChat });
    this.document = new OpenDocument({
      call,
      modelOf: () => picker.current,
      onShow: () => this.showDocument(),
      onState: () => this.showState(),
      onSaved: (tokens, chars) => this.showSaved(tokens, chars),
      onNotice: (text) => toasts.show(text),
    });
    this.visits = new DocumentVisits({
      open: this.document,
      toasts,
      isShown: () => this.isShown,
      onLeave: () => this.leave(),
      onNew: () => this.isShown && this.focus(),
      onCreated: () => this.created(),
    });
    this.titling = new Titling({
      call,
      toasts,
      open: this.document,
      onNamed: (document_) => this.onDocument(document_),
      onRefused: () => this.showState(),
    });
    this.build();
  }

  build() {
    const { call, toasts, documents } = this;
    const select = (target) => this.writing.change("notebook_select", { target });
    this.head = new NotebookHead({
      onRename: (title) => this.titling.rename(title),
      onMove: () => this.documents.move(this.document.view.document),
      onPanel: () => this.panel.toggle(this.head.panelButton),
      onToChat: () => this.toChat(),
    });
    this.text = new NotebookText({
      call,
      toasts,
      onInput: (text) => this.onInput(text),
      onUndo: () => this.writing.undo(),
      onRedo: () => this.writing.redo(),
      onSelect: () => this.onSelect(),
      onRefused: () => this.onRefused(),
      onToken: (piece, anchor) => this.choices.open(piece, anchor),
    });
    this.controls = new NotebookControls({
      onGenerate: (how) => this.writing.generate(how),
      onStop: () => this.writing.stop(),
      onRegenerate: () => this.writing.regenerate(),
      onUndo: () => this.writing.undo(),
      onRedo: () => this.writing.redo(),
      onTokens: () => this.showTokens(),
    });
    this.comparison = new Comparison({ call, toasts });
    this.memory = new MemoryForm({ call, toasts, onChanged: (document_) => this.onDocument(document_), onNeeded: () => this.document.created() });
    this.panel = new NotebookPanel({
      branches: new BranchList({ call, toasts, onSelect: select, onCompare: (first, second, branches) => this.comparison.show(this.document.id, first, second, branches) }),
      versions: new VersionList({ call, toasts, onSelect: select }),
      memory: this.memory,
    });
    this.continuations = new Continuations({ onPick: (target) => this.writing.pick(target), onLeave: () => this.writing.leaveContinuations(), onNothing: (text) => toasts.show(text) });
    this.choices = new TokenChoices({
      ask: ({ owner, index }) => call("notebook_token", { id: this.document.id, owner, index }),
      toasts,
      onPick: ({ owner, index }, choice) => this.writing.writeOtherwise({ owner, index, choice }),
      onClose: () => this.text.tokens.focus(),
    });
    this.tokenIds = new TokenIds();
    this.counts = new Counts();
    this.notice = new Notice();
    this.progress = element("span", { class: "notebook-progress", role: "status" });
    this.following = new Following({
      text: this.text,
      continuations: this.continuations,
      counts: this.counts,
      progress: this.progress,
      onEnded: () => this.document.refresh().then(() => documents.refresh()),
      onLost: () => this.abreast.recover(),
    });
    this.writing = new Writing({
      call,
      toasts,
      open: this.document,
      text: this.text,
      controls: this.controls,
      continuations: this.continuations,
      following: this.following,
      settled: this.settled,
      onState: () => this.showState(),
      onFocus: () => this.focus(),
    });
    this.abreast = new Abreast({ call, open: this.document, isShown: () => this.isShown, isBusy: () => this.writing.isBusy });
    this.saved = element("span", { class: "notebook-saved", role: "status" });
    this.node = element(
      "section",
      { class: "view notebook-view away", "aria-label": "Notebook" },
      this.head.node,
      element("div", { class: "notebook-bar" }, this.text.choices, element("span", { class: "spacer" }), this.saved),
      this.notice.node,
      element("div", { class: "notebook-body" }, this.text.body, this.panel.node),
      this.continuations.node,
      element("div", { class: "notebook-foot" }, this.controls.node, element("div", { class: "notebook-facts" }, this.progress, this.counts.node)),
      this.choices.node,
      this.tokenIds.node,
      this.comparison.node,
    );
    const keys = {
      node: this.node,
      text: this.text.body,
      onGenerate: () => !this.document.isWriting && !this.writing.isBusy && this.writing.generate(),
      onUndo: () => this.writing.undo(),
      onRedo: () => this.writing.redo(),
    };
    document.addEventListener("keydown", (event) => this.isShown && onNotebookKey(event, keys));
    for (const event of ["pagehide", "beforeunload"]) window.addEventListener(event, () => this.document.keep());
    window.addEventListener("online", () => this.document.save());
  }

  // --- as one of the page's views ---

  get address() {
    return this.visits.address;
  }

  get title() {
    return this.document.view.document.title || "Notebook";
  }

  show() {
    if (this.isShown) return;
    this.isShown = true;
    this.documents.refresh();
    if (this.visits.isFirst) this.openAddress(new URLSearchParams(location.search));
    else this.abreast.look();
  }

  hide() {
    this.isShown = false;
    this.choices.hide();
  }

  focus() {
    if (this.text.form !== "tokens" || this.text.beside) this.text.editor.field.focus();
    else this.text.tokens.focus();
  }

  stop() {
    return this.writing.stop();
  }

  openAddress(parameters) {
    return this.visits.openAddress(parameters);
  }

  async onReturn() {
    await Promise.all([this.abreast.look(), this.documents.refresh()]);
  }

  async update() {
    await this.abreast.look();
  }

  // --- documents ---

  open(id) {
    return this.visits.open(id);
  }

  startNew() {
    this.visits.startNew();
  }

  // What is not saved yet is in the browser's keeping, so nobody has to wait for the program.
  leave() {
    this.document.keep();
    this.document.save();
    // What is typed until another is there would go to the wrong document.
    this.text.editor.readOnly = true;
    this.following.stop();
    this.continuations.clear();
    this.counts.forget();
  }

  // The program has made the document of what was written here.
  created() {
    this.memory.begun(this.document.id);
    this.documents.refresh();
  }

  // One that was deleted here may be open.
  onDeleted(id) {
    if (id === this.document.id) this.startNew();
  }

  onFoldersMoved() {
    if (this.document.id) this.document.refresh();
  }

  onDocument(document_) {
    this.document.showDocument(document_);
    this.onTitle();
    this.documents.refresh();
  }

  toChat() {
    const { start, end } = this.text.editor.selection;
    const text = this.text.shown;
    this.onToChat(end > start ? text.slice(start, end) : text);
  }

  // --- typing ---

  onInput(text) {
    this.document.typed(text);
    this.text.typed(text);
    this.counts.show(text);
  }

  // A key that would be lost without a word.
  onRefused() {
    if (this.document.isWriting) this.toasts.show("The model is writing. Press Escape to stop it; then you can type.");
  }

  onSelect() {
    const { start, end } = this.text.editor.selection;
    this.controls.showSelection(end - start);
  }

  showSaved(tokens, chars) {
    this.onSaved();
    if (tokens !== null) this.counts.counted(tokens, chars);
    this.counts.show(this.document.text);
    this.titling.nameOnce();
    this.documents.refresh();
  }

  async showTokens() {
    const { id } = this.document;
    const { start, end } = this.text.editor.selection;
    try {
      if (!(await this.document.save())) return;
      const { version } = this.document.view;
      const { tokens } = await this.call("notebook_tokens", { id, version, start, end, model: this.picker.current });
      this.tokenIds.show(tokens);
    } catch (error) {
      this.toasts.error(error);
    }
  }

  // --- what the program says ---

  showDocument() {
    const { view, text, visit } = this.document;
    this.visits.arrived();
    this.documents.mark(view.document.id);
    this.text.show(text, view, { toChange: this.writing.movesCursor, isOther: visit !== this.shownVisit });
    this.shownVisit = visit;
    this.panel.show(view);
    this.following.follow(view);
    this.count();
    this.showState();
    this.onTitle();
    this.titling.nameOnce();
  }

  showState() {
    const { document: open } = this;
    const { view } = open;
    this.head.show(view.document);
    if (this.continuations.clearUnlessBehind(view.version)) this.toasts.show("The continuations that were not picked are among the branches.");
    const canRegenerate = view.generated || this.continuations.versions.length > 0;
    this.controls.show({ ...view, canRegenerate, isWriting: open.isWriting, isBusy: this.writing.isBusy, hasUnsaved: !open.isSaved });
    this.text.editor.readOnly = open.isWriting;
    this.text.view = view;
    this.node.classList.toggle("writing", open.isWriting);
    this.saved.textContent = savedWords(open);
    this.notice.show(open, {
      onKeepMine: () => this.try(() => open.keepMine()),
      onTakeTheirs: () => this.try(() => open.takeTheirs()),
      onSaveAsNew: () => this.visits.saveAsNew(),
      onRetry: () => open.save(),
      onRegenerate: () => this.writing.regenerate(),
    });
    this.panel.show(view);
  }

  async try(work) {
    try {
      await work();
    } catch (error) {
      this.toasts.error(error);
    }
  }

  // The program's own count, for the model that is chosen.
  async count() {
    const { id, view, visit } = this.document;
    this.counts.show(this.document.text);
    if (!id || this.document.isWriting) return;
    try {
      const { tokens, context } = await this.call("notebook_count", { id, version: view.version, model: this.picker.current });
      if (visit !== this.document.visit || view !== this.document.view) return;
      this.counts.counted(tokens, view.text.length, context);
      this.counts.show(this.document.text);
    } catch {
      // The estimate stays.
    }
  }
}
