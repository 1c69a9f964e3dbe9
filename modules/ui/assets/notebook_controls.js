// What makes a model write, and what takes it back.

import { element, icon, iconButton } from "./dom.js";
import { button } from "./forms.js";
import { Menu, menuItem } from "./menu.js";

const COUNTS = [1, 2, 3, 4];
const KEPT_UNDER = "continuations";

export class NotebookControls {
  constructor({ onGenerate, onStop, onRegenerate, onUndo, onRedo, onTokens }) {
    this.onGenerate = onGenerate;
    this.onStop = onStop;
    this.isWriting = false;
    this.main = button("", () => this.press(), "strong-button generate");
    this.count = element(
      "select",
      { class: "form-field continuations-count", "aria-label": "Continuations at once", title: "Continuations at once", onchange: () => localStorage.setItem(KEPT_UNDER, this.count.value) },
      ...COUNTS.map((value) => element("option", { value: String(value), text: `${value} ×` })),
    );
    const kept = localStorage.getItem(KEPT_UNDER);
    this.count.value = COUNTS.includes(Number(kept)) ? kept : "1";
    const ways = () => [
      menuItem("Insert at the cursor", () => onGenerate({ mode: "insert", atCursor: true }), { hint: "what stands behind it stays" }),
      menuItem("Write on from the cursor", () => onGenerate({ mode: "continue", atCursor: true }), { hint: "what stands behind it goes into the history" }),
    ];
    this.ways = new Menu(iconButton("down", "Other places to write", () => {}, "ways"), ways, { label: "Other places to write", side: "left up" });
    this.regenerate = iconButton("retry", "Regenerate", onRegenerate);
    this.undo = iconButton("undo", "Undo (Ctrl+Z)", onUndo);
    this.redo = iconButton("redo", "Redo (Ctrl+Shift+Z)", onRedo);
    this.tokens = button("Token ids", onTokens, "quiet-button token-ids", { title: "Ids and bytes of the selected text", disabled: true });
    this.node = element(
      "div",
      { class: "notebook-controls" },
      this.main,
      this.ways.node,
      this.count,
      element("span", { class: "divider" }),
      this.regenerate,
      this.undo,
      this.redo,
      element("span", { class: "divider" }),
      this.tokens,
    );
  }

  get continuations() {
    return Number(this.count.value);
  }

  press() {
    if (this.isWriting) this.onStop();
    else if (!this.isBusy) this.onGenerate();
  }

  show({ can_undo: canUndo, can_redo: canRedo, generated, canRegenerate, isWriting, isBusy, hasUnsaved }) {
    this.isWriting = isWriting;
    this.isBusy = isBusy;
    const [shape, words, key] = isWriting ? ["stop", "Stop", "Esc"] : ["send", generated ? "Continue" : "Generate", "Ctrl+Enter"];
    this.main.replaceChildren(icon(shape), words);
    this.main.title = key;
    this.main.classList.toggle("stop", isWriting);
    // It keeps the focus while the program is asked.
    this.main.setAttribute("aria-disabled", String(isBusy && !isWriting));
    this.regenerate.disabled = isWriting || isBusy || !canRegenerate;
    this.undo.disabled = isWriting || !(canUndo || hasUnsaved);
    this.redo.disabled = isWriting || !canRedo;
    this.count.disabled = this.ways.opener.disabled = isWriting;
  }

  showSelection(length) {
    this.tokens.disabled = length === 0;
  }
}
