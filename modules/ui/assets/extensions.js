// The Extensions view: those that are here, what they do, and where more come from.

import { control } from "./control.js";
import { element } from "./dom.js";
import { button, Dialog, FormError } from "./forms.js";
import { ExtensionCard } from "./extension_card.js";
import { Gallery } from "./extension_gallery.js";
import { InstallDialog, PlanDialog } from "./extension_install.js";

const LOOK_MS = 5000;

export class ExtensionsView {
  // `onSwitched` after one was enabled, disabled or replaced: what it adds to the page may be another.
  constructor({ toasts, onSwitched }) {
    Object.assign(this, { toasts, onSwitched });
    this.cards = new Map();
    this.plan = new PlanDialog({ toasts, onInstalled: (name) => this.onInstalled(name) });
    this.install = new InstallDialog({ onPlan: (plan) => this.plan.show(plan) });
    this.removal = new RemovalDialog({ toasts, onRemoved: () => this.onRemoved() });
    this.gallery = new Gallery({ onLook: (source) => this.install.open(source) });
    this.heading = element("h1", { tabIndex: -1, text: "Extensions" });
    this.search = element("input", { type: "search", class: "form-field", placeholder: "Search extensions", "aria-label": "Search extensions", oninput: () => this.filter() });
    this.installButton = button("Install …", () => this.install.open());
    this.refusal = element("p", { class: "fine", role: "status", hidden: true });
    this.list = element("ul", { class: "extension-list", "aria-label": "Extensions that are here" });
    this.empty = element("p", { class: "fine", role: "status", hidden: true });
    this.node = element(
      "section",
      { class: "view extensions-view away", "aria-label": "Extensions" },
      element(
        "div",
        { class: "extensions-body" },
        this.heading,
        element("p", { class: "extensions-lead", text: "They add to Parlor: tools, commands, tabs, ways to change what is written. Each is off until you switch it on." }),
        element("div", { class: "extensions-tools" }, this.search, this.installButton),
        this.refusal,
        this.list,
        this.empty,
        this.gallery.node,
      ),
      this.install.node,
      this.plan.node,
      this.removal.node,
    );
  }

  // --- as one of the page's views ---

  get address() {
    return "?view=extensions";
  }

  get title() {
    return "Extensions";
  }

  show() {
    if (this.isShown) return;
    this.isShown = true;
    this.look();
    this.gallery.look().then(() => this.filter());
    // Faults come while an extension is at work.
    this.timer = setInterval(() => !document.hidden && this.look({ isQuiet: true }), LOOK_MS);
  }

  hide() {
    this.isShown = false;
    clearInterval(this.timer);
  }

  focus() {
    this.heading.focus({ preventScroll: true });
  }

  async openAddress() {}

  async onReturn() {
    await this.look();
  }

  // --- extensions ---

  async look({ isQuiet = false } = {}) {
    let answer;
    try {
      answer = await control("extensions");
    } catch (error) {
      if (!isQuiet) this.toasts.error(error);
      return;
    }
    const { extensions, refusal } = answer;
    const mayChange = !refusal;
    this.mayChange = mayChange;
    this.refusal.textContent = refusal;
    this.refusal.hidden = mayChange;
    this.installButton.disabled = !mayChange;
    const before = this.cards;
    this.cards = new Map(extensions.map((one) => [keyOf(one), before.get(keyOf(one)) ?? this.card()]));
    for (const one of extensions) this.cards.get(keyOf(one)).show(one, mayChange);
    const nodes = [...this.cards.values()].map((card) => card.node);
    // Cards that stay are not moved: the focus would be lost.
    if (nodes.length !== this.list.children.length || nodes.some((node, place) => node !== this.list.children[place])) this.list.replaceChildren(...nodes);
    this.filter();
  }

  card() {
    return new ExtensionCard({
      toasts: this.toasts,
      onSwitched: () => this.onChanged(),
      onAct: (kind, extension) => this.act(kind, extension),
    });
  }

  filter() {
    const words = this.search.value.trim().toLowerCase();
    const cards = [...this.cards.values()];
    for (const card of cards) card.node.hidden = !card.words.includes(words);
    this.empty.hidden = cards.some((card) => !card.node.hidden);
    this.empty.textContent = cards.length ? "No extension that is here has these words." : "There are none yet.";
    this.gallery.show({ words, installed: cards.map((card) => card.extension.name), mayInstall: this.mayChange });
  }

  async onChanged() {
    await Promise.all([this.look(), this.onSwitched()]);
  }

  // The card that had the focus is gone.
  async onRemoved() {
    await this.onChanged();
    this.focus();
  }

  async onInstalled(name) {
    await this.onChanged();
    const card = [...this.cards.values()].find((one) => one.extension.name === name);
    card?.node.scrollIntoView({ block: "nearest" });
    card?.toggle.focus();
  }

  async act(kind, extension) {
    if (kind === "remove") {
      this.removal.ask(extension);
      return;
    }
    const { name, title } = extension;
    try {
      const answer = await control(`extensions/${encodeURIComponent(name)}/${kind}`, {});
      if (kind === "update" && answer.plan.is_current) this.toasts.show(`${title} is the newest there is.`);
      else if (kind === "update") this.plan.show(answer.plan);
      else {
        this.toasts.show(`${title} is back at version ${answer.installed.version}.`);
        await this.onChanged();
      }
    } catch (error) {
      this.toasts.error(error);
    }
  }
}

// Removing takes everything: asked once, with what goes.
class RemovalDialog {
  constructor({ toasts, onRemoved }) {
    Object.assign(this, { toasts, onRemoved });
    this.error = new FormError();
    this.words = element("p", { text: "Every version of it, its packages and its settings go. This cannot be undone." });
    this.keep = element("input", { type: "checkbox" });
    this.remove = button("Remove it", () => this.go(), "quiet-button danger");
    this.dialog = new Dialog("Remove", this.words, element("label", { class: "extension-switch" }, this.keep, "Keep what it has stored"), this.error.node, element("div", { class: "dialog-buttons" }, button("Cancel", () => this.dialog.close()), this.remove));
    this.node = this.dialog.node;
  }

  ask({ name, title }) {
    this.name = name;
    this.titleOf = title;
    this.dialog.title = `Remove ${title}?`;
    this.keep.checked = false;
    this.error.clear();
    this.dialog.open();
  }

  async go() {
    this.remove.disabled = true;
    try {
      await control(`extensions/${encodeURIComponent(this.name)}?keep_data=${this.keep.checked}`, undefined, { method: "DELETE" });
      this.dialog.close();
      this.toasts.show(`${this.titleOf} is removed.`);
      await this.onRemoved();
    } catch (error) {
      this.error.show(error);
    } finally {
      this.remove.disabled = false;
    }
  }
}

// A folder that is faulty may have the name of one that is not.
function keyOf({ name, is_bundled: isBundled }) {
  return `${isBundled ? "bundled" : "own"}/${name}`;
}
