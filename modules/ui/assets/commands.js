// What can be written after a slash in the message field, offered while one types.

import { element } from "./dom.js";

const BEGUN = /^\/([A-Za-z0-9_-]*)$/;
const LONGEST = 8;

export class CommandList {
  // `field` is where messages are written; `onChosen(text)` puts text there.
  constructor({ field, onChosen }) {
    Object.assign(this, { field, onChosen });
    this.commands = [];
    this.matches = [];
    this.place = 0;
    this.list = element("ul", { class: "command-list", id: "command-list", role: "listbox", "aria-label": "Commands", hidden: true });
    this.count = element("div", { class: "off-screen", "aria-live": "polite" });
    this.node = element("div", { class: "commands" }, this.list, this.count);
    field.setAttribute("aria-autocomplete", "list");
    field.setAttribute("aria-controls", this.list.id);
    field.addEventListener("blur", () => this.close());
  }

  // Someone may have begun to type before it was known what can be written.
  take(commands) {
    if (JSON.stringify(commands) === JSON.stringify(this.commands)) return;
    this.commands = commands;
    if (document.activeElement === this.field) this.follow(this.field.value);
  }

  follow(text) {
    const begun = BEGUN.exec(text)?.[1];
    this.matches = begun === undefined ? [] : this.commands.filter(({ name }) => name.startsWith(begun)).slice(0, LONGEST);
    this.place = 0;
    this.show();
  }

  // True when the key was meant for the list.
  onKey(event) {
    if (!this.matches.length || event.isComposing) return false;
    const { key } = event;
    const { name } = this.matches[this.place];
    if (key === "ArrowDown" || key === "ArrowUp") this.move(key === "ArrowDown" ? 1 : -1);
    else if (key === "Escape") this.close();
    // What is written out already is sent.
    else if (key === "Tab" || (key === "Enter" && this.field.value !== `/${name}`)) this.choose(name);
    else return false;
    event.preventDefault();
    return true;
  }

  move(step) {
    this.place = (this.place + step + this.matches.length) % this.matches.length;
    this.mark();
  }

  choose(name) {
    this.onChosen(`/${name} `);
    this.field.focus();
  }

  close() {
    this.matches = [];
    this.show();
  }

  show() {
    const isOpen = this.matches.length > 0;
    this.list.hidden = !isOpen;
    this.list.replaceChildren(...this.matches.map((command, place) => this.option(command, place)));
    this.count.textContent = isOpen ? `${this.matches.length} ${this.matches.length === 1 ? "command" : "commands"}` : "";
    this.mark();
  }

  option({ name, help, title }, place) {
    return element(
      "li",
      // The field keeps the focus: a press that took it away would close the list first.
      { class: "command", id: `command-${place}`, role: "option", onmousedown: (event) => event.preventDefault(), onclick: () => this.choose(name) },
      element("span", { class: "command-name", text: `/${name}` }),
      element("span", { class: "command-help", dir: "auto", text: help }),
      element("span", { class: "fine", dir: "auto", text: title }),
    );
  }

  mark() {
    for (const [place, node] of [...this.list.children].entries()) node.setAttribute("aria-selected", String(place === this.place));
    if (this.matches.length) this.field.setAttribute("aria-activedescendant", `command-${this.place}`);
    else this.field.removeAttribute("aria-activedescendant");
  }
}
