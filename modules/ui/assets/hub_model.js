// A model's own page: what it is, what to download for this machine, its files, its card.

import { copyText, element, icon, sizeText } from "./dom.js";
import { button } from "./forms.js";
import { ChoiceList } from "./hub_choices.js";
import { titleOf } from "./hub_title.js";
import { agoText, counted, countText } from "./words.js";

const CARD_PX = 360;

export class HubModelPage {
  // `deeds` are what a ChoiceList is given.
  constructor({ call, deeds, onBack, onToken }) {
    Object.assign(this, { call, deeds, onToken, downloads: [], models: [] });
    this.visit = 0;
    this.back = element("button", { type: "button", class: "back", onclick: onBack }, icon("left"), "Results");
    this.body = element("div", { class: "hub-model" });
    this.node = element("section", { class: "hub-page", hidden: true }, this.back, this.body);
    this.node.addEventListener("click", copyCode);
  }

  async open(repository, revision) {
    this.asked = { repository, revision };
    this.body.replaceChildren(element("p", { class: "hub-status", role: "status", text: `Asking for ${repository} …` }));
    this.back.focus();
    await this.ask();
  }

  // Again when a token may have opened it.
  async ask() {
    const visit = ++this.visit;
    try {
      const model = await this.call("hub_model", this.asked);
      if (visit === this.visit) this.show(model);
    } catch (error) {
      if (visit === this.visit) this.showError(error);
    }
  }

  showError(error) {
    const isBarred = error.code === "hub_access";
    this.body.replaceChildren(
      element("p", { class: "hub-status failed", role: "alert", text: error.message }),
      isBarred ? button("Enter a token", this.onToken) : button("Try again", () => this.ask()),
    );
  }

  show(model) {
    this.model = model;
    const heading = element("h2", { class: "hub-title", tabIndex: -1 }, ...titleOf(model));
    const parts = [heading, this.facts(), this.gate(), this.choices(), this.files(), ...this.card()];
    this.body.replaceChildren(...parts.filter(Boolean));
    // Not while the token is being entered above it.
    if (!document.querySelector("dialog[open]")) heading.focus();
    this.measureCard();
  }

  facts() {
    const { model } = this;
    const words = [
      model.parameters ? `${countText(model.parameters)} parameters` : "",
      model.licence ? `licence ${model.licence}` : "no licence stated",
      counted(model.downloads, "download"),
      counted(model.likes, "like"),
      model.updated ? `updated ${agoText(model.updated)}` : "",
      model.revision === "main" ? "" : `branch ${model.revision}`,
    ];
    return element("p", { class: "hub-facts" }, words.filter(Boolean).join(" · "), " · ", outside(model.page, "its page on the hub"));
  }

  gate() {
    const { gate, has_access: hasAccess, private: isPrivate, page } = this.model;
    if (hasAccess) return null;
    const words = {
      manual: "Its owner lets people in one by one. Ask on the hub's page, wait for the answer, then enter a token of your account.",
      automatic: "Its owner asks you to agree to terms. Agree on the hub's page, then enter a token of your account.",
      open: isPrivate ? "It is private. Enter a token of an account that may read it." : "The hub does not let this program read it. Enter a token of an account that may.",
    };
    return element(
      "div",
      { class: "gate", role: "note" },
      element("p", { text: words[gate] }),
      element("div", { class: "gate-buttons" }, outside(page, "Open the hub's page", "quiet-button"), button("Enter a token", this.onToken, "strong-button")),
    );
  }

  choices() {
    const { model } = this;
    this.list = null;
    if (!model.choices.length) {
      return element("p", { class: "hub-status", text: "There is nothing here that Parlor can run: no GGUF and no safetensors files." });
    }
    this.list = new ChoiceList(model, { call: this.call, deeds: this.deeds });
    this.list.showStandings(this.downloads, this.models);
    return this.list.node;
  }

  showStandings(downloads, models) {
    Object.assign(this, { downloads, models });
    this.list?.showStandings(downloads, models);
  }

  files() {
    const { files } = this.model;
    const row = (file) => element("li", {}, element("span", { class: "file-path", text: file.path }), element("span", { class: "file-size", text: fileSize(file.size_bytes) }));
    return element("details", { class: "fold" }, element("summary", { text: `All ${files.length} files` }), element("ul", { class: "file-list" }, ...files.map(row)));
  }

  card() {
    if (!this.model.card) return [element("p", { class: "hub-status", text: "It has no card." })];
    this.cardBox = element("div", { class: "markup card-text", safeHtml: this.model.card });
    this.whole = button("Show the whole card", () => this.unfoldCard(), "quiet-button", { hidden: true });
    return [element("h3", { text: "What its makers say" }), this.cardBox, this.whole];
  }

  measureCard() {
    if (!this.cardBox?.isConnected || this.cardBox.scrollHeight <= CARD_PX * 1.3) return;
    this.cardBox.classList.add("folded");
    this.cardBox.inert = true;
    this.whole.hidden = false;
  }

  unfoldCard() {
    this.cardBox.classList.remove("folded");
    this.cardBox.inert = false;
    this.whole.hidden = true;
    this.cardBox.tabIndex = -1;
    this.cardBox.focus({ preventScroll: true });
  }
}

function outside(address, text, kind = "") {
  return element("a", { href: address, class: kind, target: "_blank", rel: "noopener noreferrer", text });
}

function fileSize(bytes) {
  return bytes < 1e6 ? `${Math.ceil(bytes / 1000)} kB` : sizeText(bytes);
}

function copyCode(event) {
  const pressed = event.target.closest("button.copy-code");
  const code = pressed?.closest("figure")?.querySelector("code");
  if (code) copyText(code.textContent);
}
