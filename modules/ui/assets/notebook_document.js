// The open document: its text here, its text in the program, and how the two are kept the same.

import { EMPTY_VIEW, isSameState, savedView } from "./notebook_known.js";
import { beginning, difference, merged, spliced } from "./notebook_splices.js";
import { Unsaved } from "./notebook_unsaved.js";

const SAVE_MS = 700;
const KEEP_MS = 150;
const RETRY_MS = 1000;
const LONGEST_RETRY_MS = 16000;
const PIECE_CHARS = 500_000;
const NEW = "new";

// Every change goes through one line, so that each is made from the version the one before it led to.
export class OpenDocument {
  // `onShow` when the text or what is known of it came from the program; `onState` when it is saved, or is not;
  // `onSaved` with the count of its tokens, if that is known.
  constructor({ call, modelOf, onShow, onState, onSaved, onNotice }) {
    Object.assign(this, { call, modelOf, onShow, onState, onSaved, onNotice });
    // {version, start, removed, text}: a splice of that version's text.
    this.unsaved = new Unsaved("unsaved:");
    this.line = Promise.resolve();
    this.begin(EMPTY_VIEW);
  }

  // --- what is open ---

  get id() {
    return this.view.document.id;
  }

  get isSaved() {
    return this.text === this.view.text;
  }

  get isWriting() {
    return this.view.generations.length > 0;
  }

  // Whether the program says of the document what is known here.
  isAsTold(state) {
    return this.failure?.code !== "not_found" && isSameState(state, this.view);
  }

  begin(view, text = view.text) {
    clearTimeout(this.saveTimer);
    clearTimeout(this.keepTimer);
    this.saveTimer = this.keepTimer = null;
    this.visit = Symbol("visit");
    this.view = view;
    this.text = text;
    this.hasRoom = true;
    // Made here and not named by anybody yet.
    this.isUnnamed = false;
    // The other tab's version, when both changed the same place.
    this.conflict = null;
    // Why it could not be saved, as an error.
    this.failure = null;
    this.losses = 0;
  }

  startNew(folder = "") {
    this.begin({ ...EMPTY_VIEW, document: { ...EMPTY_VIEW.document, folder } });
    const kept = this.unsaved.get(NEW);
    if (kept) this.typed(kept.text);
    this.onShow();
  }

  // `wanted` tells whether the person still wants it when it has come.
  async open(id, wanted) {
    const view = await this.call("notebook_open", { id });
    const text = await this.withUnsaved(view);
    if (!wanted()) return;
    this.begin(view, text);
    this.adopt(view, text);
    if (!this.isSaved) this.saveSoon();
  }

  // What an earlier page could not save is put where it belongs, also when the text has changed since.
  async withUnsaved(view) {
    const kept = this.unsaved.get(view.document.id);
    if (!kept) return view.text;
    if (kept.version === view.version) return spliced(view.text, kept);
    const { text: base } = await this.call("notebook_text", { id: view.document.id, version: kept.version });
    const mine = spliced(base, kept);
    const both = merged(base, mine, view.text);
    if (both !== null) return both;
    this.onNotice("What you typed last and what another tab changed touch the same place; yours is shown, theirs is under Versions.");
    return mine;
  }

  // --- typing ---

  typed(text) {
    this.text = text;
    this.keepTimer ??= setTimeout(() => this.keep(), KEEP_MS);
    this.saveSoon();
    this.onState();
  }

  // Now, in the browser; also when the page is left.
  keep() {
    clearTimeout(this.keepTimer);
    this.keepTimer = null;
    const change = difference(this.view.text, this.text);
    if (!change) this.unsaved.forget(this.id ?? NEW);
    else this.hasRoom = this.unsaved.keep(this.id ?? NEW, { version: this.view.version, ...change });
  }

  saveSoon(wait = SAVE_MS) {
    if (this.conflict) return;
    this.saveTimer ??= setTimeout(() => this.save(), wait);
  }

  // True when all is saved.
  save() {
    return this.inLine((visit) => this.saveNow(visit));
  }

  // What is left to do for a document that was left is not done.
  inLine(work) {
    const { visit } = this;
    const done = this.line.then(() => visit === this.visit && work(visit));
    this.line = done.catch(() => {});
    return done;
  }

  async saveNow(visit) {
    clearTimeout(this.saveTimer);
    this.saveTimer = null;
    if (this.conflict) return false;
    if (this.isSaved) return true;
    try {
      if (!this.id) await this.create(visit);
      await this.sendChanges(visit);
      if (visit === this.visit) this.confirmed();
      return visit === this.visit;
    } catch (error) {
      if (visit !== this.visit) return false;
      if (error.code === "conflict") return this.reconcile(visit);
      this.refused(error);
      return false;
    }
  }

  async create(visit) {
    const { folder } = this.view.document;
    const view = await this.call("notebook_create", { text: beginning(this.text, PIECE_CHARS), folder });
    if (visit !== this.visit) return;
    this.unsaved.forget(NEW);
    this.isUnnamed = true;
    this.adopt(view, this.text);
  }

  // A very long change goes in pieces, each small enough for one request.
  async sendChanges(visit) {
    const target = this.text;
    while (visit === this.visit && this.view.text !== target) {
      const { id, view } = this;
      const change = difference(view.text, target);
      const piece = { ...change, text: beginning(change.text, PIECE_CHARS) };
      const answer = await this.call("notebook_save", { id, version: view.version, ...piece, model: this.modelOf() });
      if (visit !== this.visit) return;
      this.view = savedView(this.view, answer, piece);
      this.onSaved(answer.tokens, this.view.text.length);
    }
  }

  confirmed() {
    this.failure = null;
    this.losses = 0;
    if (this.isSaved) this.unsaved.forget(this.id);
    else this.saveSoon();
    this.onState();
  }

  // The text stays here and in the browser's keeping, and is offered again, ever more patiently.
  refused(error) {
    this.keep();
    this.failure = error;
    const isHopeless = error.code === "invalid_request" || error.code === "not_found";
    if (!isHopeless) this.saveSoon(Math.min(RETRY_MS * 2 ** this.losses, LONGEST_RETRY_MS));
    this.losses += 1;
    this.onState();
  }

  // --- what others changed ---

  // Takes the newest text; what was typed here is put into it where that can be done without loss.
  async reconcile(visit) {
    let view;
    try {
      view = await this.call("notebook_open", { id: this.id });
    } catch (error) {
      if (visit === this.visit && (!this.isSaved || error.code === "not_found")) this.refused(error);
      return false;
    }
    if (visit !== this.visit) return false;
    const both = merged(this.view.text, this.text, view.text);
    if (both === null) {
      this.keep();
      this.conflict = view;
      this.onState();
      return false;
    }
    if (!this.isSaved && this.view.version !== view.version) this.onNotice("Another tab changed this document. Both changes are here.");
    this.adopt(view, both);
    // While a model writes, the text cannot be changed.
    return this.isWriting ? this.isSaved : this.saveNow(visit);
  }

  refresh() {
    return this.inLine((visit) => this.reconcile(visit));
  }

  // Both stay: this text becomes a branch beside the other tab's.
  keepMine() {
    return this.inLine(async (visit) => {
      const { id, view, text } = this;
      const other = await this.call("notebook_open", { id });
      const back = await this.call("notebook_select", { id, version: other.version, target: view.version });
      if (visit !== this.visit) return false;
      this.conflict = null;
      this.adopt(back, text);
      return this.saveNow(visit);
    });
  }

  takeTheirs() {
    return this.inLine(async (visit) => {
      const view = await this.call("notebook_open", { id: this.id });
      if (visit !== this.visit) return false;
      this.conflict = null;
      this.adopt(view);
      return true;
    });
  }

  // A document that somebody deleted goes on as another.
  saveAsNew() {
    const { text, id } = this;
    this.unsaved.forget(id);
    this.begin(EMPTY_VIEW);
    this.typed(text);
    this.onShow();
  }

  // --- changes by the program ---

  // What is typed is saved first; what is typed while the program answers is kept. True when it was done.
  change(name, values = {}) {
    return this.inLine(async (visit) => {
      if (!this.id) await this.create(visit);
      if (!(await this.saveNow(visit))) throw this.failure ?? new Error("Choose first between your text and the other tab's.");
      const before = this.text;
      const view = await this.call(name, { id: this.id, version: this.view.version, model: this.modelOf(), ...values });
      if (visit !== this.visit) return false;
      this.adopt(view, this.text === before ? view.text : (merged(before, this.text, view.text) ?? this.text));
      if (!this.isSaved) this.saveSoon();
      return true;
    });
  }

  // The document is made now if there is none yet.
  created() {
    return this.inLine((visit) => this.id ?? this.create(visit));
  }

  adopt(view, text = view.text) {
    this.view = view;
    this.text = text;
    this.failure = null;
    if (this.isSaved) this.unsaved.forget(this.id);
    this.onShow();
  }

  // Its title, folder, memory or note.
  showDocument(document) {
    if (document.id !== this.id) return;
    this.view = { ...this.view, document };
    this.onState();
  }
}
