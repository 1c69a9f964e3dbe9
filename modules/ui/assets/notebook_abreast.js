// Keeps the open document abreast of the program: what other tabs did, and what happened while the program was away.

const RECOVER_MS = 1500;

export class Abreast {
  constructor({ call, open, isShown, isBusy }) {
    Object.assign(this, { call, document: open, isShown, isBusy });
  }

  // Other tabs may write into the open document.
  async look() {
    const { id, visit, view } = this.document;
    if (!id || !this.isShown() || document.hidden) return;
    try {
      const state = await this.call("notebook_state", { id });
      if (visit !== this.document.visit || view !== this.document.view || this.isBusy()) return;
      if (state.revision === null) this.document.refused({ code: "not_found", message: "There is no such document." });
      else if (!this.document.isAsTold(state)) await this.document.refresh();
    } catch {
      // The page says already that nobody answers.
    }
  }

  // The program was away: asks for the document until it is there again.
  async recover() {
    const { visit } = this.document;
    const isThere = await this.document.refresh();
    if (!isThere && visit === this.document.visit) setTimeout(() => visit === this.document.visit && this.recover(), RECOVER_MS);
  }
}
