// The Notebook view: the open document, what a model writes into it, and what stands beside it.

import { element } from "./dom.js";
import { BranchList } from "./notebook_branches.js";
import { Comparison } from "./notebook_compare.js";
import { Continuations } from "./notebook_continuations.js";
import { NotebookControls } from "./notebook_controls.js";
import { Counts } from "./notebook_counts.js";
import { OpenDocument } from "./notebook_document.js";
import { Following } from "./notebook_following.js";
import { NotebookHead } from "./notebook_head.js";
import { MemoryForm } from "./notebook_memory.js";
import { Notice, savedWords } from "./notebook_notice.js";
import { NotebookPanel } from "./notebook_panel.js";
import { NotebookText } from "./notebook_text.js";
import { VersionList } from "./notebook_versions.js";
import { TokenChoices } from "./token_choices.js";
import { TokenIds } from "./token_ids.js";

const OPEN_KEPT_UNDER = "notebook-document";
const RECOVER_MS = 1500;

export class NotebookView {
  constructor({ call, toasts, picker, documents, onTitle, onToChat }) {
    Object.assign(this, { call, toasts, picker, documents, onTitle, onToChat });
    // The document the person turned to, which may still be on its way; undefined before the first.
    this.wanted = undefined;
    this.isBusy = false;
    this.document = new OpenDocument({
      call,
      modelOf: () => picker.current,
      onShow: () => this.showDocument(),
      onState: () => this.showState(),
      onSaved: (tokens, chars) => this.onSaved(tokens, chars),
      onNotice: (text) => toasts.show(text),
    });
    this.build();
  }

  build() {
    const { call, toasts } = this;
    const select = (target) => this.change("notebook_select", { target });
    this.head = new NotebookHead({
      onRename: (title) => this.rename(title),
      onMove: () => this.documents.move(this.document.view.document),
      onPanel: () => this.panel.toggle(this.head.panelButton),
      onToChat: () => this.toChat(),
    });
    this.text = new NotebookText({
      call,
      toasts,
      onInput: (text) => this.onInput(text),
      onUndo: () => this.undo(),
      onRedo: () => this.redo(),
      onSelect: () => this.onSelect(),
      onToken: (piece, anchor) => this.choices.open(piece, anchor),
    });
    this.controls = new NotebookControls({
      onGenerate: (how) => this.generate(how),
      onStop: () => this.stop(),
      onRegenerate: () => this.regenerate(),
      onUndo: () => this.undo(),
      onRedo: () => this.redo(),
      onTokens: () => this.showTokens(),
    });
    this.comparison = new Comparison({ call, toasts });
    this.panel = new NotebookPanel({
      branches: new BranchList({ call, toasts, onSelect: select, onCompare: (first, second, branches) => this.comparison.show(this.document.id, first, second, branches) }),
      versions: new VersionList({ call, toasts, onSelect: select }),
      memory: new MemoryForm({ call, toasts, onChanged: (document_) => this.onDocument(document_), onNeeded: () => this.document.created() }),
    });
    this.continuations = new Continuations({ onPick: (target) => this.pick(target), onLeave: () => this.leaveContinuations() });
    this.choices = new TokenChoices({
      ask: ({ owner, index }) => call("notebook_token", { id: this.document.id, owner, index }),
      toasts,
      onPick: ({ owner, index }, choice) => this.writeOtherwise({ owner, index, choice }),
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
      onEnded: () => this.afterEnd(),
      onLost: () => this.recover(),
    });
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
    document.addEventListener("keydown", (event) => this.onKey(event));
    for (const event of ["pagehide", "beforeunload"]) window.addEventListener(event, () => this.document.keep());
    window.addEventListener("online", () => this.document.save());
  }

  // --- as one of the page's views ---

  get address() {
    const { id } = this.document;
    return id ? `?view=notebook&document=${id}` : "?view=notebook";
  }

  get title() {
    return this.document.view.document.title || "Notebook";
  }

  show() {
    if (this.isShown) return;
    this.isShown = true;
    this.documents.refresh();
    if (this.wanted === undefined) this.openAddress(new URLSearchParams(location.search));
    else this.look();
  }

  hide() {
    this.isShown = false;
    this.choices.hide();
  }

  focus() {
    if (this.text.form !== "tokens" || this.text.beside) this.text.editor.field.focus();
    else this.text.tokens.focus();
  }

  // What is open already stays as it is; without a name the document that was open last comes back.
  async openAddress(parameters) {
    const id = parameters.get("document");
    if (id && id === this.wanted) return;
    if (id) await this.open(id, { keepAddress: true });
    else if (this.wanted === undefined) await this.openLast();
    else if (this.wanted !== null) this.startNew({ keepAddress: true });
  }

  async openLast() {
    const id = localStorage.getItem(OPEN_KEPT_UNDER);
    if (id) await this.open(id, { isQuiet: true, replaces: true });
    else this.startNew({ keepAddress: true });
  }

  async onReturn() {
    await Promise.all([this.look(), this.documents.refresh()]);
  }

  async update() {
    await this.look();
  }

  // Other tabs may write into the open document.
  async look() {
    const { id, visit, view } = this.document;
    if (!id || !this.isShown || document.hidden) return;
    try {
      const state = await this.call("notebook_state", { id });
      if (visit !== this.document.visit || view !== this.document.view || this.isBusy) return;
      if (state.revision === null) this.document.refused({ code: "not_found", message: "There is no such document." });
      else if (!this.document.isAsTold(state)) await this.document.refresh();
    } catch {
      // The page says already that nobody answers.
    }
  }

  // Nobody is taken back from another view by an answer that arrives late.
  go({ replaces = false } = {}) {
    if (!this.isShown || location.search === this.address) return;
    if (replaces) history.replaceState(null, "", this.address);
    else history.pushState(null, "", this.address);
  }

  // --- documents ---

  async open(id, { keepAddress = false, isQuiet = false, replaces = false } = {}) {
    if (id === this.document.id && id === this.wanted) {
      this.go();
      return;
    }
    this.wanted = id;
    this.leave();
    // What is typed now would go to the wrong document.
    this.text.editor.readOnly = true;
    try {
      await this.document.open(id, () => this.wanted === id);
      if (this.wanted === id && !keepAddress) this.go({ replaces });
    } catch (error) {
      if (!isQuiet) this.toasts.error(error);
      if (this.wanted === id) this.startNew({ keepAddress: true });
    }
  }

  startNew({ keepAddress = false } = {}) {
    this.wanted = null;
    this.leave();
    this.document.startNew();
    if (!keepAddress) this.go();
    if (this.isShown) this.focus();
  }

  // What is not saved yet is in the browser's keeping, so nobody has to wait for the program.
  leave() {
    this.document.keep();
    this.document.save();
    this.following.stop();
    this.continuations.clear();
    this.counts.forget();
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

  rename(title) {
    this.document.isUnnamed = false;
    return this.keepDocument("notebook_rename", { title });
  }

  async keepDocument(name, values) {
    try {
      const answer = await this.call(name, { id: this.document.id, ...values });
      this.onDocument(answer.document);
    } catch (error) {
      this.toasts.error(error);
      this.showState();
    }
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

  onSelect() {
    const { start, end } = this.text.editor.selection;
    this.controls.showSelection(end - start);
  }

  onSaved(tokens, chars) {
    if (tokens !== null) this.counts.counted(tokens, chars);
    this.counts.show(this.document.text);
    this.nameOnce();
    this.documents.refresh();
  }

  // --- writing ---

  generate({ mode = "continue", atCursor = false } = {}) {
    const cursor = atCursor ? this.text.editor.cursor : null;
    return this.change("notebook_generate", { mode, cursor, count: this.controls.continuations });
  }

  regenerate() {
    return this.change("notebook_regenerate", { count: this.controls.continuations });
  }

  // What is being written ends first.
  async writeOtherwise(place) {
    if (this.document.isWriting) {
      await this.stop();
      await this.ended();
    }
    await this.change("notebook_alternative", place);
  }

  async stop() {
    if (!this.document.isWriting) return;
    try {
      await this.call("notebook_stop", { id: this.document.id });
    } catch (error) {
      this.toasts.error(error);
    }
  }

  async pick(target) {
    this.following.passOver(target);
    if (!(await this.change("notebook_pick", { target }))) return;
    this.continuations.clear();
    this.focus();
  }

  leaveContinuations() {
    this.following.passOver(null);
    this.continuations.clear();
    this.following.stop();
    this.following.follow(this.document.view);
    this.stop();
    this.focus();
  }

  undo() {
    return this.change("notebook_undo", {}, { toChange: true });
  }

  redo() {
    return this.change("notebook_redo", {}, { toChange: true });
  }

  // True when the program did it. `toChange` puts the cursor where the text changed.
  async change(name, values, { toChange = false } = {}) {
    this.isBusy = true;
    this.toChange = toChange;
    this.showState();
    try {
      return await this.document.change(name, values);
    } catch (error) {
      this.toasts.error(error);
      if (error.code === "conflict") await this.document.refresh();
      return false;
    } finally {
      this.isBusy = false;
      this.toChange = false;
      this.showState();
    }
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
    const isCreated = this.wanted === null && view.document.id;
    if (isCreated) {
      this.wanted = view.document.id;
      this.go({ replaces: true });
      this.documents.refresh();
    }
    if (view.document.id) localStorage.setItem(OPEN_KEPT_UNDER, view.document.id);
    else localStorage.removeItem(OPEN_KEPT_UNDER);
    this.documents.mark(view.document.id);
    this.following.stop();
    this.text.show(text, view, { toChange: this.toChange, isOther: visit !== this.shownVisit });
    this.shownVisit = visit;
    this.panel.show(view);
    this.following.follow(view);
    this.count();
    this.showState();
    this.onTitle();
    this.nameOnce();
  }

  nameOnce() {
    const title = this.document.firstTitle;
    if (title) this.keepDocument("notebook_rename", { title });
  }

  showState() {
    const { document: open } = this;
    const { view } = open;
    this.head.show(view.document);
    this.controls.show({ ...view, isWriting: open.isWriting, isBusy: this.isBusy, hasUnsaved: !open.isSaved });
    this.text.editor.readOnly = open.isWriting;
    this.text.view = view;
    this.node.classList.toggle("writing", open.isWriting);
    this.saved.textContent = savedWords(open);
    this.notice.show(open, {
      onKeepMine: () => this.try(() => open.keepMine()),
      onTakeTheirs: () => this.try(() => open.takeTheirs()),
      onSaveAsNew: () => this.saveAsNew(),
      onRetry: () => open.save(),
      onRegenerate: () => this.regenerate(),
    });
    this.panel.show(view);
  }

  saveAsNew() {
    this.wanted = null;
    this.document.saveAsNew();
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

  async afterEnd() {
    await this.document.refresh();
    this.documents.refresh();
  }

  // The program was away: asks for the document until it is there again.
  async recover() {
    const { visit } = this.document;
    const isThere = await this.document.refresh();
    if (!isThere && visit === this.document.visit) setTimeout(() => visit === this.document.visit && this.recover(), RECOVER_MS);
  }

  // Until nothing is being written into the document.
  async ended() {
    while (this.document.isWriting) await new Promise((done) => setTimeout(done, 50));
  }

  // --- keys ---

  // A button that cannot be pressed any more leaves the focus to the body of the page.
  onKey(event) {
    const isMeant = event.target === document.body || this.node.contains(event.target);
    if (!this.isShown || !isMeant || document.querySelector("dialog[open]")) return;
    const isCommand = event.ctrlKey || event.metaKey;
    const inText = this.text.body.contains(event.target) || !event.target.matches("input, textarea, select");
    if (isCommand && event.key === "Enter") {
      event.preventDefault();
      if (!this.document.isWriting && !this.isBusy) this.generate();
    } else if (isCommand && inText && event.key.toLowerCase() === "z") {
      event.preventDefault();
      if (event.shiftKey) this.redo();
      else this.undo();
    } else if (isCommand && inText && event.key.toLowerCase() === "y") {
      event.preventDefault();
      this.redo();
    }
  }
}
