// What a person must know or decide about the open document: it could not be saved, two tabs disagree, a text failed.

import { element } from "./dom.js";
import { button } from "./forms.js";

export class Notice {
  constructor() {
    this.words = element("p");
    this.buttons = element("div", { class: "notice-buttons" });
    this.node = element("div", { class: "notebook-notice", role: "alert", hidden: true }, this.words, this.buttons);
  }

  show(open, acts) {
    const [words, buttons] = contentOf(open, acts);
    const isSame = this.words.textContent === words;
    this.node.hidden = !words;
    if (isSame) return;
    this.words.textContent = words;
    this.buttons.replaceChildren(...buttons);
  }
}

export function savedWords(open) {
  if (open.failure) return "Not saved";
  if (open.conflict) return "Not saved: another tab changed it";
  if (!open.isSaved) return open.hasRoom ? "Saving…" : "Saving… Keep this page open";
  return open.id ? "Saved" : "";
}

function contentOf({ conflict, failure, view }, acts) {
  if (conflict) {
    const words = "Another tab changed the same place. Nothing is lost: yours is here, the other is saved.";
    return [words, [button("Keep mine as a branch", acts.onKeepMine), button("Take the other", acts.onTakeTheirs)]];
  }
  if (failure?.code === "not_found") {
    return ["This document was deleted. Its text is still here.", [button("Save it as a new document", acts.onSaveAsNew)]];
  }
  if (failure) {
    return [`Not saved yet: ${failure.message} What you type is kept in this browser.`, [button("Try now", acts.onRetry)]];
  }
  // How the writing of the shown text ended, where that was not as it should be.
  if (view.failure) return [view.failure, [button("Regenerate", acts.onRegenerate)]];
  return ["", []];
}
