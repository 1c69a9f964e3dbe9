// How the text is shown: written, token by token, or rendered; alone or beside the field.

import { element, icon } from "./dom.js";
import { TextEditor } from "./notebook_editor.js";
import { Preview } from "./notebook_preview.js";
import { difference } from "./notebook_splices.js";
import { movedSpans, piecesOf } from "./token_pieces.js";
import { TokenView } from "./token_view.js";

const FORMS = { text: "Text", tokens: "Tokens", markdown: "Markdown", html: "HTML" };
const TYPING_PAUSE_MS = 300;
const RENDERED = ["markdown", "html"];
const FORM_KEPT_UNDER = "notebook-form";
const BESIDE_KEPT_UNDER = "notebook-beside";

export class NotebookText {
  constructor({ call, toasts, onInput, onRefused, onUndo, onRedo, onSelect, onToken }) {
    this.text = "";
    this.view = { spans: [] };
    // While a model writes: where, how much of the text it takes the place of, and what has come.
    this.live = null;
    this.editor = new TextEditor({ onInput, onRefused, onUndo, onRedo, onSelect });
    this.tokens = new TokenView({ onChoose: onToken });
    this.preview = new Preview({ call, toasts });
    this.side = element("div", { class: "notebook-pane notebook-side" }, this.tokens.node, this.preview.node);
    this.body = element("div", { class: "notebook-text" }, this.editor.node, this.side);
    this.forms = Object.entries(FORMS).map(([name, words]) =>
      element("button", { type: "button", class: "form-choice", "data-form": name, text: words, onclick: () => this.choose(name) }),
    );
    this.besideButton = element("button", { type: "button", class: "form-choice beside-choice", onclick: () => this.setBeside(!this.beside) }, icon("columns"), "Side by side");
    this.choices = element(
      "div",
      { class: "form-choices" },
      element("div", { class: "form-group", role: "group", "aria-label": "Show as" }, ...this.forms),
      this.besideButton,
    );
    this.beside = localStorage.getItem(BESIDE_KEPT_UNDER) === "yes";
    const kept = localStorage.getItem(FORM_KEPT_UNDER);
    this.form = Object.hasOwn(FORMS, kept) ? kept : "text";
    this.arrange();
  }

  // --- what is shown ---

  // `toChange` puts the cursor where the text changed; another document is shown from its end.
  show(text, view, { toChange = false, isOther = false } = {}) {
    this.text = text;
    this.view = view;
    this.live = null;
    if (isOther) this.editor.open(text);
    else this.editor.show(text, { toChange });
    this.showSide();
  }

  // Typing does not wait for what is shown beside it.
  typed(text) {
    this.text = text;
    this.timer ??= setTimeout(() => this.showSide(), TYPING_PAUSE_MS);
  }

  // --- while a model writes ---

  begin({ start, removed, prefix }, stream) {
    this.live = { start, removed, prefix, stream };
    this.editor.show(this.shown);
    this.editor.growFrom(start + prefix.length);
    this.showSide();
  }

  grow(pieces, text) {
    this.editor.grow(text);
    if (this.form === "tokens") this.tokens.append(pieces, this.live.stream.rest);
    else this.showSide();
  }

  // With what a model is writing into it.
  get shown() {
    if (!this.live) return this.text;
    const { start, removed, prefix, stream } = this.live;
    return this.view.text.slice(0, start) + prefix + stream.text + this.view.text.slice(start + removed);
  }

  // --- forms ---

  choose(form) {
    if (form === "text") this.keepBeside(false);
    this.form = form;
    localStorage.setItem(FORM_KEPT_UNDER, form);
    this.arrange();
    this.showSide();
  }

  // The field beside itself would be no use.
  setBeside(beside) {
    this.keepBeside(beside);
    if (beside && this.form === "text") this.choose("markdown");
    this.arrange();
  }

  keepBeside(beside) {
    this.beside = beside;
    localStorage.setItem(BESIDE_KEPT_UNDER, beside ? "yes" : "no");
  }

  arrange() {
    for (const choice of this.forms) choice.setAttribute("aria-pressed", String(choice.dataset.form === this.form));
    this.besideButton.setAttribute("aria-pressed", String(this.beside));
    this.body.classList.toggle("beside", this.beside);
    this.body.dataset.form = this.form;
    this.tokens.node.hidden = this.form !== "tokens";
    this.preview.node.hidden = !RENDERED.includes(this.form);
  }

  showSide() {
    clearTimeout(this.timer);
    this.timer = null;
    if (this.form === "tokens") this.showTokens();
    if (RENDERED.includes(this.form)) this.preview.show(this.form, () => this.shown);
    else this.preview.hide();
  }

  showTokens() {
    const { text, spans } = this.view;
    if (this.live) {
      const { start, removed, prefix, stream } = this.live;
      const before = [...piecesOf(text, spans, 0, start), ...(prefix ? [{ text: prefix }] : []), ...stream.pieces];
      this.tokens.show(before, piecesOf(text, spans, start + removed));
      this.tokens.append([], stream.rest);
    } else {
      this.tokens.show(piecesOf(this.text, movedSpans(spans, difference(text, this.text))));
    }
  }
}
