// What an extension's view shows: headings, texts, fields, buttons and tables, as the program describes them.

import { control } from "./control.js";
import { element } from "./dom.js";
import { button } from "./forms.js";
import { fieldOf } from "./extension_fields.js";

export class PartsView {
  // `view` is {extension, place, name, title}; `conversation()` is the id of the open one, or nothing.
  constructor(view, conversation) {
    Object.assign(this, { view, conversation });
    this.fields = [];
    this.asked = 0;
    this.isTouched = false;
    this.problem = element("div", { class: "extension-problem", role: "alert", hidden: true });
    this.form = element("form", { class: "extension-parts", noValidate: true, onsubmit: (event) => this.submit(event) });
    this.form.addEventListener("input", () => (this.isTouched = true));
    this.node = element("div", { class: "extension-view" }, this.problem, this.form);
  }

  // Anew, unless a person has begun to fill it in.
  async refresh() {
    if (!this.isTouched && !this.isBusy) await this.ask();
  }

  // What it shows now; a view that fails says so in its own place.
  async ask(pressed = "", values = {}) {
    const { extension, place, name } = this.view;
    const asked = ++this.asked;
    this.form.setAttribute("aria-busy", "true");
    try {
      const body = { place, button: pressed, values, conversation_id: this.conversation() ?? undefined };
      const { parts } = await control(`extensions/views/${encodeURIComponent(extension)}/${encodeURIComponent(name)}`, body);
      if (asked !== this.asked) return;
      this.problem.hidden = true;
      this.show(parts);
    } catch (error) {
      if (asked === this.asked) this.tell(error.message, () => this.ask(pressed, values));
    } finally {
      if (asked === this.asked) this.form.removeAttribute("aria-busy");
    }
  }

  // Whoever was typing goes on in the field of the same name. (Elements get no `name`: it could hide a form's own members.)
  show(parts) {
    const focused = this.form.contains(document.activeElement) ? document.activeElement.dataset.name : "";
    this.fields = [];
    this.buttons = [];
    this.main = "";
    this.isTouched = false;
    this.form.replaceChildren(...grouped(parts.map((part) => this.part(part))));
    if (focused) [...this.form.querySelectorAll("[data-name]")].find((one) => one.dataset.name === focused)?.focus();
  }

  part(part) {
    switch (part.kind) {
      case "heading":
        return element("h2", { dir: "auto", text: part.text });
      case "text":
        return element("div", { class: "markup", safeHtml: part.html });
      case "field":
        return this.field(part);
      case "button":
        return this.pressable(part);
      default:
        return this.table(part);
    }
  }

  field(part) {
    const control_ = fieldOf({ ...part, kind: part.field_kind }, { extension: this.view.extension, onBusy: (isBusy) => this.markBusy(isBusy) });
    this.fields.push(control_);
    return control_.node;
  }

  pressable({ name, label, is_main: isMain }) {
    const node = button(label || name, () => this.press(name), isMain ? "strong-button" : "quiet-button", { "data-name": name });
    this.buttons.push(node);
    if (isMain) this.main = name;
    return node;
  }

  table({ columns, rows, open_name: opener }) {
    const cells = (row) => row.map((text, place) => element("td", { dir: "auto" }, opener && !place ? button(text || "Open", () => this.press(opener, { [opener]: row[0] }), "row-link") : text));
    const head = columns.length ? element("thead", {}, element("tr", {}, ...columns.map((text) => element("th", { scope: "col", dir: "auto", text })))) : null;
    return element("div", { class: "extension-table" }, element("table", {}, head, element("tbody", {}, ...rows.map((row) => element("tr", {}, ...cells(row))))));
  }

  press(name, further = {}) {
    const values = Object.fromEntries(this.fields.map((field) => [field.name, field.value]));
    return this.ask(name, { ...values, ...further });
  }

  // Enter in a field is the main button.
  submit(event) {
    event.preventDefault();
    if (this.main && !this.isBusy) this.press(this.main);
  }

  markBusy(isBusy) {
    this.isBusy = isBusy;
    for (const one of this.buttons) one.disabled = isBusy;
  }

  tell(message, again) {
    this.problem.hidden = false;
    this.problem.replaceChildren(element("p", { text: message }), button("Try again", again));
  }
}

// Buttons that follow each other stand in one line.
function grouped(nodes) {
  const lines = [];
  for (const node of nodes) {
    const isButton = node.tagName === "BUTTON";
    const last = lines.at(-1);
    if (isButton && last?.classList.contains("extension-buttons")) last.append(node);
    else lines.push(isButton ? element("div", { class: "extension-buttons" }, node) : node);
  }
  return lines;
}
