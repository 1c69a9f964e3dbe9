// What an extension's view shows: headings, texts, fields, buttons and tables, as the program describes them.

import { control } from "./control.js";
import { element } from "./dom.js";
import { button } from "./forms.js";
import { fieldOf } from "./extension_fields.js";

const LOOK_MS = 1500;
const TYPED_IN = ["text", "password", "number"];

export class PartsView {
  // `view` is {extension, place, name, title}; `conversation()` is the id of the open one, or nothing.
  constructor(view, conversation) {
    Object.assign(this, { view, conversation });
    this.lines = [];
    this.asked = 0;
    this.isTouched = false;
    // The button that brought what is shown, and what the fields held then.
    this.pressed = "";
    this.values = {};
    this.problem = element("div", { class: "extension-problem", role: "alert", hidden: true });
    this.form = element("form", { class: "extension-parts", noValidate: true, onsubmit: (event) => event.preventDefault() });
    this.form.addEventListener("input", () => (this.isTouched = true));
    this.form.addEventListener("keydown", (event) => this.onEnter(event));
    this.node = element("div", { class: "extension-view" }, this.problem, this.form);
  }

  get fields() {
    return this.lines.flatMap((line) => line.field ?? []);
  }

  get isAsking() {
    return this.form.hasAttribute("aria-busy");
  }

  // Anew, unless a person has begun to do something with it: what a button has brought stays, and so does what is typed
  // until the answer comes.
  async refresh() {
    if (this.isTouched || this.isBusy || this.pressed || this.isAsking) return;
    await this.fetch("", {}, (parts) => (this.isTouched ? this.update(parts) : this.show(parts)));
  }

  // What it shows now; a view that fails says so in its own place.
  async ask(pressed = "", values = {}) {
    this.form.setAttribute("aria-busy", "true");
    await this.fetch(pressed, values, (parts) => {
      // A file that was sent is taken by the button alone.
      const kept = Object.entries(values).filter(([, value]) => typeof value !== "object");
      Object.assign(this, { pressed, values: Object.fromEntries(kept) });
      this.show(parts);
    });
  }

  // While work goes on: what has changed, around what a person is filling in.
  async look() {
    if (!this.form.checkVisibility() || document.hidden || this.isAsking || this.isBusy) this.watch();
    else await this.fetch("", this.values, (parts) => this.update(parts));
  }

  watch() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.look(), LOOK_MS);
  }

  // Only the last answer that was asked for is shown.
  async fetch(pressed, values, show) {
    const { extension, place, name } = this.view;
    const asked = ++this.asked;
    clearTimeout(this.timer);
    this.askedFor = this.conversation() ?? "";
    try {
      const body = { place, button: pressed, values, conversation_id: this.askedFor || undefined };
      const { parts } = await control(`extensions/views/${encodeURIComponent(extension)}/${encodeURIComponent(name)}`, body);
      if (asked !== this.asked) return;
      this.problem.hidden = true;
      show(parts);
      if (parts.some((part) => part.kind === "progress")) this.watch();
    } catch (error) {
      if (asked === this.asked) this.tell(error.message, () => this.ask(pressed, values));
    } finally {
      if (asked === this.asked) this.form.removeAttribute("aria-busy");
    }
  }

  // Whoever was typing goes on in the field of the same name. (Elements get no `name`: it could hide a form's own members.)
  show(parts) {
    const focused = this.focusedName();
    this.isTouched = false;
    this.lines = linesOf(parts).map((line) => this.drawn(line));
    this.form.replaceChildren(...this.lines.map((line) => line.node));
    this.focus(focused);
  }

  // What is the same stays where it is, with the focus and what was typed.
  update(parts) {
    const focused = this.focusedName();
    const before = [...this.lines];
    this.lines = linesOf(parts).map((line) => {
      const place = before.findIndex(({ key }) => key === keyOf(line));
      return place < 0 ? this.drawn(line, this.typedIn(line)) : before.splice(place, 1)[0];
    });
    for (const { node } of before) node.remove();
    let next = this.form.firstChild;
    for (const { node } of this.lines) {
      if (node === next) next = next.nextSibling;
      else this.form.insertBefore(node, next);
    }
    if (!this.form.contains(document.activeElement)) this.focus(focused);
  }

  focusedName() {
    return this.form.contains(document.activeElement) ? document.activeElement.dataset.name : "";
  }

  focus(name) {
    if (name) [...this.form.querySelectorAll("[data-name]")].find((one) => one.dataset.name === name)?.focus();
  }

  // What a person has put into a field that is drawn anew, if it can still be put there.
  typedIn({ kind, name, field_kind: fieldKind, choices, value }) {
    const typed = kind === "field" && this.isTouched ? this.fields.find((field) => field.name === name)?.value : undefined;
    return typed === undefined || (fieldKind === "choice" && !choices.includes(typed)) ? value : typed;
  }

  // --- parts ---

  drawn(line, value = line.value) {
    const field = line.kind === "field" ? this.field({ ...line, value }) : null;
    return { key: keyOf(line), field, node: field ? field.node : this.line(line) };
  }

  line(line) {
    switch (line.kind) {
      case "heading":
        return element("h2", { dir: "auto", text: line.text });
      case "text":
        return element("div", { class: "markup", safeHtml: line.html });
      case "buttons":
        return element("div", { class: "extension-buttons" }, ...line.buttons.map((one) => this.pressable(one)));
      case "progress":
        return progress(line);
      default:
        return this.table(line);
    }
  }

  field(part) {
    return fieldOf({ ...part, kind: part.field_kind }, { extension: this.view.extension, onBusy: (isBusy) => this.markBusy(isBusy) });
  }

  pressable({ name, label, is_main: isMain }) {
    return button(label || name, () => this.press(name), isMain ? "strong-button" : "quiet-button", { "data-name": name, disabled: this.isBusy });
  }

  table({ columns, rows, open_name: opener }) {
    const cells = (row) => row.map((text, place) => element("td", { dir: "auto" }, opener && !place ? button(text || "Open", () => this.press(opener, { [opener]: row[0] }), "row-link") : text));
    const head = columns.length ? element("thead", {}, element("tr", {}, ...columns.map((text) => element("th", { scope: "col", dir: "auto", text })))) : null;
    const body = rows.length ? rows.map((row) => element("tr", {}, ...cells(row))) : [element("tr", {}, element("td", { class: "fine", colSpan: columns.length || 1, text: "Nothing yet." }))];
    return element("div", { class: "extension-table" }, element("table", {}, head, element("tbody", {}, ...body)));
  }

  press(name, further = {}) {
    const values = Object.fromEntries(this.fields.map((field) => [field.name, field.value]));
    return this.ask(name, { ...values, ...further });
  }

  // Enter in a field is the button that follows it: the main one, where several stand together.
  onEnter(event) {
    if (event.key !== "Enter" || event.isComposing || !TYPED_IN.includes(event.target.type)) return;
    event.preventDefault();
    const lines = [...this.form.querySelectorAll(".extension-buttons")];
    const next = lines.find((line) => event.target.compareDocumentPosition(line) & Node.DOCUMENT_POSITION_FOLLOWING);
    const meant = next ? (next.querySelector(".strong-button") ?? next.firstElementChild) : this.form.querySelector(".strong-button");
    if (!this.isAsking) meant?.click();
  }

  markBusy(isBusy) {
    this.isBusy = isBusy;
    for (const one of this.form.querySelectorAll(".extension-buttons button")) one.disabled = isBusy;
  }

  tell(message, again) {
    this.problem.hidden = false;
    this.problem.replaceChildren(element("p", { text: message }), button("Try again", again));
  }
}

// Parts, of which buttons that follow each other are one line.
function linesOf(parts) {
  const lines = [];
  for (const part of parts) {
    if (part.kind !== "button") lines.push(part);
    else if (lines.at(-1)?.kind === "buttons") lines.at(-1).buttons.push(part);
    else lines.push({ kind: "buttons", buttons: [part] });
  }
  return lines;
}

// Lines of the same key look the same, but for what a field holds.
function keyOf(line) {
  return JSON.stringify(line.kind === "field" ? { ...line, value: null } : line);
}

function progress({ note, fraction }) {
  const bar = element("progress", { max: 1, "aria-label": note });
  if (fraction !== null) bar.value = fraction;
  return element("div", { class: "job-progress" }, bar, element("span", { class: "fine", dir: "auto", text: [note, fraction === null ? "" : `${Math.round(fraction * 100)} %`].filter(Boolean).join(" · ") }));
}
