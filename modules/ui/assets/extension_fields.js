// The fields that extensions ask for, in their views and in their settings: one control for each kind.

import { element } from "./dom.js";
import { button, choiceOf, labelled } from "./forms.js";
import { sendFile } from "./uploads.js";
import { fileSizeText } from "./words.js";

const LARGEST_BYTES = 256 * 1024 * 1024;

// `field` is {name, label, kind, value, choices, help}. A control has `node`, `input` and `value`; `onBusy(isBusy)` is
// told while a file is being sent.
export function fieldOf(field, { extension, onBusy }) {
  switch (field.kind) {
    case "switch":
      return new SwitchField(field);
    case "file":
      return new FileField(field, extension, onBusy);
    default:
      return new EntryField(field);
  }
}

class EntryField {
  constructor({ name, label, kind, value, choices, help, limits = {} }) {
    this.name = name;
    this.isNumber = kind === "number";
    const common = { class: "form-field", dir: "auto", "data-name": name, value: value ?? "", ...limits };
    if (kind === "choice") this.input = withValue(choiceOf(choices.map((one) => [one, one]), { "data-name": name }), value);
    else if (kind === "lines") this.input = element("textarea", { rows: 4, ...common });
    else this.input = element("input", { type: { secret: "password", number: "number" }[kind] ?? "text", autocomplete: "off", step: this.isNumber ? "any" : null, ...common });
    this.node = labelled(label || name, this.input, help);
  }

  // An empty number is none.
  get value() {
    if (!this.isNumber) return this.input.value;
    return this.input.value === "" ? null : this.input.valueAsNumber;
  }
}

class SwitchField {
  constructor({ name, label, value, help }) {
    this.name = name;
    this.input = element("input", { type: "checkbox", "data-name": name, checked: Boolean(value) });
    if (help) this.input.setAttribute("aria-description", help);
    this.node = element(
      "div",
      { class: "labelled" },
      element("label", { class: "extension-switch" }, this.input, element("span", { text: label || name })),
      help ? element("span", { class: "fine", "aria-hidden": "true", text: help }) : null,
    );
  }

  get value() {
    return this.input.checked;
  }
}

// What is chosen is sent at once; the view gets it with the next button.
class FileField {
  constructor({ name, label, value, help }, extension, onBusy) {
    Object.assign(this, { name, extension, onBusy });
    this.value = value || null;
    this.file = element("input", { type: "file", class: "off-screen", tabIndex: -1, "aria-hidden": "true", onchange: () => this.take(this.file.files[0]) });
    this.input = button("Choose a file", () => (this.sending ? this.sending.cancel() : this.file.click()), "quiet-button", { "data-name": name, "aria-label": `${label || name}: choose a file` });
    this.status = element("span", { class: "fine", role: "status", dir: "auto", text: lastPart(value) });
    this.bar = element("progress", { max: 1, "aria-label": `Sending: ${label || name}`, hidden: true });
    this.node = element(
      "div",
      { class: "labelled" },
      element("span", { class: "label", text: label || name }),
      element("div", { class: "extension-file" }, this.input, element("span", { class: "fine drop-hint", text: "or drop it here" }), this.status, this.file),
      this.bar,
      help ? element("span", { class: "fine", text: help }) : null,
    );
    this.node.addEventListener("dragover", (event) => this.onDrag(event, true));
    this.node.addEventListener("dragleave", (event) => this.onDrag(event, false));
    this.node.addEventListener("drop", (event) => {
      this.onDrag(event, false);
      this.take(event.dataTransfer.files[0]);
    });
  }

  onDrag(event, isOver) {
    event.preventDefault();
    this.node.classList.toggle("over", isOver);
  }

  async take(file) {
    if (!file || this.sending) return;
    if (file.size > LARGEST_BYTES) {
      this.status.textContent = `${file.name} has ${fileSizeText(file.size)}, and at most ${fileSizeText(LARGEST_BYTES)} can be sent.`;
      return;
    }
    this.status.textContent = file.name;
    this.sending = sendFile(`/control/extensions/uploads/${encodeURIComponent(this.extension)}/${encodeURIComponent(safeName(file.name))}`, file, (sent, all) => (this.bar.value = all ? sent / all : 0));
    this.mark(true);
    try {
      this.value = await this.sending.answer;
      this.status.textContent = `${file.name}, ${fileSizeText(file.size)}`;
    } catch (error) {
      this.value = null;
      this.status.textContent = error.code === "cancelled" ? "Not sent." : error.message;
    } finally {
      this.sending = null;
      this.file.value = "";
      this.mark(false);
    }
  }

  mark(isBusy) {
    this.bar.hidden = !isBusy;
    this.bar.value = 0;
    this.input.textContent = isBusy ? "Cancel" : "Choose a file";
    this.onBusy(isBusy);
  }
}

function withValue(select, value) {
  select.value = value ?? "";
  return select;
}

function lastPart(path) {
  return String(path ?? "").split(/[\\/]/).at(-1);
}

// The program refuses names that no disk takes everywhere; what a file is called does not matter here.
function safeName(name) {
  const [, stem, ending] = /^(.*?)(\.[A-Za-z0-9]{1,12})?$/s.exec(name);
  const plain = stem.replace(/[^\p{L}\p{N} ._()+,-]/gu, "_").replace(/^[ .]+/, "").slice(0, 80).trimEnd();
  return `${plain || "file"}${ending ?? ""}`;
}
