// What a person has the program do to the open document: write on, stop, pick a continuation, undo, redo.

export class Writing {
  // `settled()` is when the parameters that were changed are saved, `onState` when something is begun or done, `onFocus` when the person goes on in the text.
  constructor({ call, toasts, open, text, controls, continuations, following, settled, onState, onFocus }) {
    Object.assign(this, { call, toasts, document: open, text, controls, continuations, following, settled, onState, onFocus });
    this.isBusy = false;
    // Whether the cursor goes where the text changes.
    this.movesCursor = false;
  }

  generate({ mode = "continue", atCursor = false } = {}) {
    const cursor = atCursor ? this.text.editor.cursor : null;
    return this.change("notebook_generate", { mode, cursor, count: this.controls.continuations });
  }

  // While continuations wait to be picked, those are made anew.
  regenerate() {
    const { example, versions } = this.continuations;
    if (versions.length && example === null) return this.generate();
    return this.change("notebook_regenerate", { target: example ?? 0, count: this.controls.continuations });
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
    this.onFocus();
  }

  leaveContinuations() {
    this.following.passOver(null);
    this.continuations.clear();
    this.following.stop();
    this.following.follow(this.document.view);
    this.stop();
    this.onFocus();
  }

  undo() {
    const { view, isSaved } = this.document;
    return this.step("notebook_undo", view.can_undo || !isSaved, "There is nothing to undo.");
  }

  redo() {
    const { view, isSaved } = this.document;
    return this.step("notebook_redo", view.can_redo && isSaved, "There is nothing to redo.");
  }

  // Keys ask also where the buttons cannot be pressed.
  async step(name, canStep, words) {
    if (canStep) await this.change(name, {}, { toChange: true });
    else this.toasts.show(words);
  }

  // True when the program did it. `toChange` puts the cursor where the text changed.
  async change(name, values, { toChange = false } = {}) {
    this.isBusy = true;
    this.movesCursor = toChange;
    this.onState();
    try {
      await this.settled();
      return await this.document.change(name, values);
    } catch (error) {
      this.toasts.error(error);
      if (error.code === "conflict") await this.document.refresh();
      return false;
    } finally {
      this.isBusy = false;
      this.movesCursor = false;
      this.onState();
    }
  }

  // Until nothing is being written into the document.
  async ended() {
    while (this.document.isWriting) await new Promise((done) => setTimeout(done, 50));
  }
}
