// The Models view: what is on this machine, the hub, downloads and servers, each a section of its own.

import { element } from "./dom.js";
import { DownloadList } from "./downloads.js";
import { HubSearch } from "./hub.js";
import { ImportDialog } from "./import.js";
import { LibraryList } from "./library.js";
import { LoadDialog } from "./load_dialog.js";
import { ServerList } from "./servers.js";

const SECTIONS = { local: "On this machine", hub: "Hub", downloads: "Downloads", servers: "Servers" };
const STEPS = { ArrowRight: 1, ArrowLeft: -1 };

export class ModelsView {
  // `selected()` is the id of the model that the chat uses, `onTalk(id)` makes it use another.
  constructor({ call, toasts, onChange, onTalk, onOpen, selected }) {
    const shared = { call, toasts, onChange };
    Object.assign(this, { toasts, onTalk, onOpen, selected });
    this.models = [];
    // Titles of the models that are being loaded from here, by id.
    this.awaited = new Map();
    this.importer = new ImportDialog(shared);
    this.loader = new LoadDialog({ call, onLoading: (model) => this.follow(model, onChange) });
    const onLoad = (id) => this.load(id);
    const onLook = () => this.showStandings();
    this.downloads = new DownloadList({ ...shared, onOpen: () => this.openSection("downloads"), onLoad, onLook });
    const deeds = {
      onDownload: (download) => this.downloads.begun(download),
      onDownloads: () => this.turnTo("downloads"),
      onLibrary: () => this.turnTo("local"),
      onLoad,
      onTalk,
    };
    this.sections = {
      local: new LibraryList({ call, toasts, onChange: () => Promise.all([onChange(), this.downloads.look()]), onLoad, onTalk, onImport: () => this.importer.show(), onHub: () => this.turnTo("hub") }),
      hub: new HubSearch({ ...shared, deeds }),
      downloads: this.downloads,
      servers: new ServerList({ ...shared, onSelect: onTalk }),
    };
    this.section = "local";
    this.tabs = element("div", { class: "tabs", role: "tablist", "aria-label": "Models" }, ...Object.keys(SECTIONS).map((name) => this.tab(name)));
    this.tabs.addEventListener("keydown", (event) => this.onKey(event));
    this.panels = element("div", { class: "models-body" }, ...Object.keys(SECTIONS).map((name) => this.panel(name)));
    this.node = element(
      "section",
      { class: "view models-view away", "aria-label": "Models" },
      element("div", { class: "models-head" }, element("h1", { text: "Models" }), this.tabs),
      this.panels,
      this.importer.node,
    );
    this.mark();
  }

  // --- as one of the page's views ---

  get address() {
    return this.section === "local" ? "?view=models" : `?view=models&section=${this.section}`;
  }

  get title() {
    return "Models";
  }

  show() {
    if (this.isShown) return;
    this.isShown = true;
    this.sections[this.section].show();
  }

  hide() {
    if (!this.isShown) return;
    this.isShown = false;
    this.sections[this.section].hide();
  }

  focus() {
    this.tabs.children[this.place(this.section)].focus();
  }

  async openAddress(parameters) {
    const name = parameters.get("section") ?? "local";
    this.choose(name in SECTIONS ? name : "local");
    this.sections.hub.follow(history.state);
  }

  // From anywhere on the page.
  openSection(name) {
    this.choose(name);
    this.onOpen();
  }

  async onReturn() {
    this.sections[this.section].show();
  }

  update(state) {
    this.models = state.models;
    this.sections.local.update(state);
    this.sections.servers.update(state);
    this.showStandings();
    for (const id of this.awaited.keys()) this.tell(id);
  }

  showStandings() {
    this.sections.hub.showStandings(this.downloads.downloads ?? [], this.models);
  }

  // --- loading, which changes nothing of what the chat uses ---

  load(id) {
    return this.loader.open(this.models.find((one) => one.id === id) ?? { id, title: id });
  }

  follow(model, onChange) {
    this.awaited.set(model.id, model.title);
    return onChange();
  }

  // How it ended; one whose load was cancelled needs no words.
  tell(id) {
    const model = this.models.find((one) => one.id === id);
    if (model?.state === "loading") return;
    const title = this.awaited.get(id);
    this.awaited.delete(id);
    if (model?.state === "ready" && (this.isShown || this.selected() !== id)) {
      this.toasts.show(`${title} is loaded.`, { action: "Talk to it", onAction: () => this.onTalk(id) });
    }
    const isInSight = this.isShown && this.section === "local";
    if (model?.state === "failed" && !isInSight) {
      this.toasts.show(`${title} could not be loaded.`, { isError: true, action: "Show why", onAction: () => this.openSection("local") });
    }
  }

  // --- sections ---

  turnTo(name) {
    this.choose(name);
    if (location.search !== this.address) history.pushState(null, "", this.address);
  }

  choose(name) {
    if (name === this.section) return;
    if (this.isShown) this.sections[this.section].hide();
    this.section = name;
    this.mark();
    if (this.isShown) this.sections[name].show();
  }

  place(name) {
    return Object.keys(SECTIONS).indexOf(name);
  }

  tab(name) {
    return element("button", {
      type: "button",
      class: "tab",
      role: "tab",
      id: `models-tab-${name}`,
      "aria-controls": `models-panel-${name}`,
      text: SECTIONS[name],
      onclick: () => this.turnTo(name),
    });
  }

  panel(name) {
    return element(
      "div",
      { class: "models-panel", role: "tabpanel", id: `models-panel-${name}`, "aria-labelledby": `models-tab-${name}` },
      this.sections[name].node,
    );
  }

  mark() {
    for (const [place, name] of Object.keys(SECTIONS).entries()) {
      const isChosen = name === this.section;
      this.tabs.children[place].setAttribute("aria-selected", String(isChosen));
      this.tabs.children[place].tabIndex = isChosen ? 0 : -1;
      this.panels.children[place].hidden = !isChosen;
    }
  }

  onKey(event) {
    const names = Object.keys(SECTIONS);
    let place = this.place(this.section);
    if (event.key in STEPS) place = (place + STEPS[event.key] + names.length) % names.length;
    else if (event.key === "Home") place = 0;
    else if (event.key === "End") place = names.length - 1;
    else return;
    event.preventDefault();
    this.turnTo(names[place]);
    this.focus();
  }
}
