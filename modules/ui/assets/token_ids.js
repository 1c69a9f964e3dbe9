// The dialog that shows a selection as the model reads it: token by token, with ids and bytes.

import { element } from "./dom.js";
import { Dialog } from "./forms.js";
import { spacedBytes } from "./token_choices.js";
import { visible } from "./token_pieces.js";
import { numberText } from "./words.js";

const SHOWN_ROWS = 2000;

export class TokenIds {
  constructor() {
    this.summary = element("p", { class: "fine" });
    this.rows = element("tbody");
    const head = ["Token", "Id", "Bytes"].map((text) => element("th", { scope: "col", text }));
    const table = element("table", { class: "token-table" }, element("thead", {}, element("tr", {}, ...head)), this.rows);
    this.dialog = new Dialog("Tokens of the selection", this.summary, element("div", { class: "token-table-box", tabIndex: 0 }, table));
    this.dialog.node.classList.add("wide-dialog");
    this.node = this.dialog.node;
  }

  show(tokens) {
    const more = tokens.length > SHOWN_ROWS ? `; the first ${numberText(SHOWN_ROWS)} are shown` : "";
    this.summary.textContent = `${numberText(tokens.length)} token${tokens.length === 1 ? "" : "s"}${more}.`;
    this.rows.replaceChildren(...tokens.slice(0, SHOWN_ROWS).map((token) => this.row(token)));
    this.dialog.open();
  }

  row({ text, id, bytes }) {
    return element(
      "tr",
      {},
      element("td", {}, element("bdi", { class: "token-word", text: visible(text) })),
      element("td", { class: "token-number", text: id < 0 ? "not told" : String(id) }),
      element("td", { class: "token-bytes", text: spacedBytes(bytes) }),
    );
  }
}
