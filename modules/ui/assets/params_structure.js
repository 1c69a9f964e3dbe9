// What a reply must match: checked by the program while it is typed, and in use once it is right.

import { element } from "./dom.js";
import { choiceOf, labelled } from "./forms.js";
import { escaped, unescaped } from "./params_words.js";

const CHECK_MS = 400;
const KINDS = {
  "": { words: "None" },
  json_schema: { words: "JSON schema", example: '{\n  "type": "object",\n  "properties": {"name": {"type": "string", "maxLength": 40}},\n  "required": ["name"],\n  "additionalProperties": false\n}' },
  regex: { words: "Regular expression", example: "[A-Z][a-z]{2,20}" },
  choice: { words: "One of several texts", example: "yes\nno" },
  gbnf: { words: "GBNF grammar", example: 'root ::= "yes" | "no"' },
  lark: { words: "Lark grammar", example: 'start: "yes" | "no"' },
};

export class StructureField {
  constructor(field, id, { call, onChange }) {
    Object.assign(this, { call, onChange });
    this.isGroup = true;
    this.checks = 0;
    // What was written for each kind; it is there again when somebody comes back to it.
    this.drafts = new Map();
    this.used = null;
    this.kind = choiceOf(Object.entries(KINDS).map(([value, { words }]) => [value, words]), { id, "aria-label": "A reply must match", onchange: () => this.turnTo() });
    this.source = element("textarea", { class: "form-field code-field", rows: 7, spellcheck: false, dir: "auto", maxLength: field.limit, oninput: () => this.typed() });
    this.sourceLabel = labelled("Text", this.source);
    this.status = element("p", { class: "fine", role: "status" });
    this.place = element("pre", { class: "structure-place", hidden: true });
    this.node = element("div", { class: "structure-field" }, this.kind, this.sourceLabel, this.status, this.place);
  }

  // What is not right yet, or still to be written, is not in use, and must not be lost.
  get isHeld() {
    return this.isWrong || (this.kind.value !== "" && this.isBlank);
  }

  get isBlank() {
    return !this.source.value.trim();
  }

  get input() {
    return this.kind;
  }

  show(value) {
    this.isWrong = false;
    this.used = value;
    this.kind.value = value?.kind ?? "";
    this.source.value = value ? shown(value) : "";
    if (value) this.drafts.set(value.kind, this.source.value);
    this.showKind();
    this.tell(value ? "In use." : "");
  }

  turnTo() {
    clearTimeout(this.timer);
    this.source.value = this.drafts.get(this.kind.value) ?? "";
    this.tell("");
    this.showKind();
    this.check();
  }

  use(value) {
    this.used = value;
    this.onChange(value);
  }

  showKind() {
    const { example = "" } = KINDS[this.kind.value];
    this.sourceLabel.hidden = !this.kind.value;
    this.sourceLabel.querySelector(".label").textContent = this.kind.value === "choice" ? "Texts, one a line" : KINDS[this.kind.value].words;
    this.source.placeholder = example;
  }

  typed() {
    this.drafts.set(this.kind.value, this.source.value);
    this.isWrong = true;
    this.tell("");
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.check(), CHECK_MS);
  }

  // An answer about what has been changed since is not shown.
  async check() {
    const number = ++this.checks;
    this.isWrong = !this.isBlank;
    if (this.isBlank) {
      this.tell(this.kind.value ? "Nothing is required of a reply until you write it here." : "");
      if (this.used) this.use(null);
      return;
    }
    const wanted = { kind: this.kind.value, source: this.kind.value === "choice" ? JSON.stringify(linesOf(this.source.value)) : this.source.value };
    try {
      const { fault } = await this.call("structure_check", wanted);
      if (number !== this.checks) return;
      this.isWrong = Boolean(fault);
      if (fault) this.showFault(fault);
      else {
        this.tell("In use.");
        this.use(wanted);
      }
    } catch (error) {
      if (number === this.checks) this.tell(error.message, true);
    }
  }

  showFault({ message, line, column }) {
    const at = line ? `Line ${line}${column ? `, character ${column}` : ""}: ` : "";
    const meanwhile = this.used ? `Until it is right, what you had before (${KINDS[this.used.kind].words}) stays in use.` : "It is in use once it is right.";
    this.tell(`${at}${message} ${meanwhile}`, true);
    const text = this.source.value.split("\n")[line - 1];
    this.place.hidden = !line || text === undefined;
    // Around the place, for a line may be long.
    const from = Math.max(0, column - 30);
    this.place.textContent = this.place.hidden ? "" : `${text.slice(from, from + 60)}\n${column ? " ".repeat(column - 1 - from) + "^" : ""}`;
  }

  tell(text, isFault = false) {
    this.status.textContent = text;
    this.status.className = isFault ? "option-problem" : "fine";
    this.place.hidden = true;
    if (isFault) this.source.setAttribute("aria-invalid", "true");
    else this.source.removeAttribute("aria-invalid");
  }

  setDisabled(isDisabled) {
    this.kind.disabled = this.source.disabled = isDisabled;
  }
}

function linesOf(text) {
  return text.split("\n").filter((line) => line.trim()).map(unescaped);
}

function shown({ kind, source }) {
  return kind === "choice" ? JSON.parse(source).map(escaped).join("\n") : source;
}
