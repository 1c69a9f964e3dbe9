// The side bar: the page's views, and what the shown one keeps here.

import { brandMark, element, icon, iconButton } from "./dom.js";

// The page's own views; others have the shape of a window.
const SHAPES = { chat: "chat", notebook: "notebook", templates: "form", models: "cube", finetune: "curve", extensions: "puzzle" };

export class Sidebar {
  // `parts` are lists of entries by the view they belong to; a view without one shows the conversations.
  constructor({ parts, onView }) {
    Object.assign(this, { parts, onView });
    this.part = parts.chat;
    this.views = element("nav", { class: "view-links", "aria-label": "Views" });
    this.closer = iconButton("close", "", () => this.showDrawer(false), "drawer-close");
    this.node = element(
      "aside",
      { class: "sidebar" },
      element("div", { class: "sidebar-head" }, element("span", { class: "brand" }, brandMark(), "Parlor"), this.closer),
      this.views,
      ...Object.values(parts).map((part) => part.node),
    );
    this.scrim = element("div", { class: "scrim", onclick: () => this.showDrawer(false) });
    this.node.addEventListener("keydown", (event) => this.onKey(event));
  }

  // Escape leaves the search and the drawer; a rename has taken its own already.
  onKey(event) {
    if (event.key !== "Escape" || event.defaultPrevented) return;
    const isSearching = event.target === this.part.search;
    if (isSearching) {
      this.part.clearSearch();
      this.part.search.blur();
    }
    if (isSearching || this.node.classList.contains("shown")) event.preventDefault();
    this.showDrawer(false);
  }

  showDrawer(shown) {
    if (shown === this.node.classList.contains("shown")) return;
    this.node.classList.toggle("shown", shown);
    this.scrim.classList.toggle("shown", shown);
    if (shown) {
      this.cameFrom = document.activeElement;
      this.part.newButton.focus();
    } else {
      this.cameFrom.focus();
    }
  }

  focusSearch() {
    this.showDrawer(true);
    this.part.search.focus();
  }

  // `titles` of all views there are, by their names and in their order.
  showViews(titles) {
    const focused = this.views.contains(document.activeElement) ? document.activeElement.dataset.view : null;
    const links = Object.entries(titles).map(([name, title]) => this.viewLink(name, title));
    this.views.replaceChildren(...links);
    this.markCurrent();
    links.find((link) => link.dataset.view === focused)?.focus();
  }

  viewLink(name, title) {
    const turn = () => {
      this.showDrawer(false);
      this.onView(name);
    };
    return element("button", { type: "button", class: "view-link", "data-view": name, onclick: turn }, icon(SHAPES[name] ?? "window"), element("span", { class: "view-title", dir: "auto", text: title }));
  }

  markCurrent() {
    for (const link of this.views.children) {
      if (link.dataset.view === this.current) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
  }

  markView(name) {
    this.current = name;
    this.markCurrent();
    this.part = this.parts[name] ?? this.parts.chat;
    for (const part of Object.values(this.parts)) part.node.hidden = part !== this.part;
    const { title } = this.part.words;
    this.node.setAttribute("aria-label", title);
    this.closer.setAttribute("aria-label", `Close ${title.toLowerCase()}`);
  }
}
