// Which document is open: the one the person turned to, the page's address, and the one that was open last.

const KEPT_UNDER = "notebook-document";

export class DocumentVisits {
  // `onLeave` before another document takes the place of the open one, `onNew` when a new one did,
  // `onCreated` when the program has made the document of what was written.
  constructor({ open, toasts, isShown, onLeave, onNew, onCreated }) {
    Object.assign(this, { document: open, toasts, isShown, onLeave, onNew, onCreated });
    // The document the person turned to, which may still be on its way; null is a new one, undefined before the first.
    this.wanted = undefined;
  }

  get isFirst() {
    return this.wanted === undefined;
  }

  get address() {
    const { id } = this.document;
    return id ? `?view=notebook&document=${id}` : "?view=notebook";
  }

  // What is open already stays as it is; without a name the document that was open last comes back.
  async openAddress(parameters) {
    const id = parameters.get("document");
    if (id && id === this.wanted) return;
    if (id) await this.open(id, { keepAddress: true });
    else if (this.isFirst) await this.openLast();
    else if (this.wanted !== null) this.startNew({ keepAddress: true });
  }

  async openLast() {
    const id = localStorage.getItem(KEPT_UNDER);
    if (id) await this.open(id, { isQuiet: true, replaces: true });
    else this.startNew({ keepAddress: true });
  }

  async open(id, { keepAddress = false, isQuiet = false, replaces = false } = {}) {
    if (id === this.document.id && id === this.wanted) {
      this.go();
      return;
    }
    this.wanted = id;
    this.onLeave();
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
    this.onLeave();
    this.document.startNew();
    if (!keepAddress) this.go();
    this.onNew();
  }

  // A document that somebody deleted goes on as another.
  saveAsNew() {
    this.wanted = null;
    this.document.saveAsNew();
  }

  // The open document is shown: it is the one to come back to.
  arrived() {
    const { id } = this.document;
    if (this.wanted === null && id) {
      this.wanted = id;
      this.go({ replaces: true });
      this.onCreated();
    }
    if (id) localStorage.setItem(KEPT_UNDER, id);
    else localStorage.removeItem(KEPT_UNDER);
  }

  // Nobody is taken back from another view by an answer that arrives late.
  go({ replaces = false } = {}) {
    if (!this.isShown() || location.search === this.address) return;
    if (replaces) history.replaceState(null, "", this.address);
    else history.pushState(null, "", this.address);
  }
}
