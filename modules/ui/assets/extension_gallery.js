// Known extensions that are not installed yet.

import { control } from "./control.js";
import { element } from "./dom.js";
import { button } from "./forms.js";

export class Gallery {
  // `onLook(source)` shows what is known of one before it is installed.
  constructor({ onLook }) {
    this.onLook = onLook;
    this.entries = [];
    this.list = element("ul", { class: "extension-list", "aria-label": "Known extensions" });
    this.note = element("p", { class: "fine", role: "status" });
    this.node = element("section", { class: "extension-gallery", "aria-label": "More extensions", hidden: true }, element("h2", { text: "More extensions" }), this.note, this.list);
  }

  async look() {
    try {
      const { entries, problems } = await control("extensions/gallery");
      this.entries = entries;
      this.note.textContent = problems.join(" ");
    } catch (error) {
      this.entries = [];
      this.note.textContent = error.message;
    }
    this.node.hidden = false;
  }

  // Those with the words, but for what is there already.
  show({ words, installed, mayInstall }) {
    const shown = this.entries.filter(({ name, title, description, author }) => !installed.includes(name) && `${name} ${title} ${description} ${author}`.toLowerCase().includes(words));
    this.list.replaceChildren(...shown.map((entry) => this.row(entry, mayInstall)));
    this.node.hidden = !shown.length && !this.note.textContent;
  }

  row({ title, author, description, source, commit }, mayInstall) {
    return element(
      "li",
      { class: "extension-card" },
      element(
        "div",
        { class: "extension-head" },
        element("div", { class: "extension-name" }, element("h3", { dir: "auto", text: title }), element("p", { class: "fine", dir: "auto", text: [author, source].filter(Boolean).join(" · ") })),
        button("Look at it", () => this.onLook(commit ? `${source}#${commit}` : source), "quiet-button", { disabled: !mayInstall, "aria-label": `Look at ${title}` }),
      ),
      element("p", { class: "extension-description", dir: "auto", text: description }),
    );
  }
}
