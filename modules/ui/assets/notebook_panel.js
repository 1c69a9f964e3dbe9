// The panel beside the text: branches, versions, and what the model reads besides the text.

import { element, iconButton } from "./dom.js";

const SECTIONS = { branches: "Branches", versions: "Versions", memory: "Memory" };
const STEPS = { ArrowRight: 1, ArrowLeft: -1 };

export class NotebookPanel {
  // `sections` by those names; each has a node and `show(view)`.
  constructor(sections) {
    this.sections = sections;
    this.section = "branches";
    this.tabs = element("div", { class: "tabs", role: "tablist", "aria-label": "Beside the text" }, ...Object.keys(SECTIONS).map((name) => this.tab(name)));
    this.tabs.addEventListener("keydown", (event) => this.onKey(event));
    this.panels = Object.entries(sections).map(([name, section]) =>
      element("div", { class: "notebook-section", role: "tabpanel", id: `notebook-panel-${name}`, "aria-labelledby": `notebook-tab-${name}` }, section.node),
    );
    this.node = element(
      "aside",
      { class: "notebook-panel", "aria-label": "Branches, versions and memory", hidden: true },
      element("div", { class: "notebook-panel-head" }, this.tabs, iconButton("close", "Close the panel", () => this.close())),
      ...this.panels,
    );
    this.node.addEventListener("keydown", (event) => this.onEscape(event));
    this.mark();
  }

  toggle(opener) {
    if (!this.node.hidden) {
      this.close();
      return;
    }
    this.opener = opener;
    this.node.hidden = false;
    opener.setAttribute("aria-expanded", "true");
    this.fill();
    this.tabs.children[Object.keys(SECTIONS).indexOf(this.section)].focus();
  }

  close() {
    this.node.hidden = true;
    this.opener?.setAttribute("aria-expanded", "false");
    this.opener?.focus();
  }

  // The document as it stands now; a section asks for more only when it is seen.
  show(view) {
    const isOther = this.view?.document.id !== view.document.id || this.view.version !== view.version || this.view.state !== view.state;
    this.view = view;
    // Asks for nothing, and what an earlier page could not save of it is saved now.
    this.sections.memory.show(view);
    if (isOther) this.fill();
  }

  fill() {
    if (!this.node.hidden && this.view) this.sections[this.section].show(this.view);
  }

  tab(name) {
    return element("button", {
      type: "button",
      class: "tab",
      role: "tab",
      id: `notebook-tab-${name}`,
      "aria-controls": `notebook-panel-${name}`,
      text: SECTIONS[name],
      onclick: () => this.choose(name),
    });
  }

  choose(name) {
    this.section = name;
    this.mark();
    this.fill();
  }

  mark() {
    for (const [place, name] of Object.keys(SECTIONS).entries()) {
      const isChosen = name === this.section;
      this.tabs.children[place].setAttribute("aria-selected", String(isChosen));
      this.tabs.children[place].tabIndex = isChosen ? 0 : -1;
      this.panels[place].hidden = !isChosen;
    }
  }

  onKey(event) {
    if (!(event.key in STEPS)) return;
    const names = Object.keys(SECTIONS);
    const place = (names.indexOf(this.section) + STEPS[event.key] + names.length) % names.length;
    event.preventDefault();
    this.choose(names[place]);
    this.tabs.children[place].focus();
  }

  onEscape(event) {
    if (event.key !== "Escape" || event.defaultPrevented) return;
    event.preventDefault();
    this.close();
  }
}
