// The hub: search, results, and a model's own page. Nothing is asked before the person asks.

import { element } from "./dom.js";
import { button, choiceOf, labelled } from "./forms.js";
import { AccountDialog } from "./hub_account.js";
import { HubModelPage } from "./hub_model.js";
import { titleOf } from "./hub_title.js";
import { agoText, counted, countText } from "./words.js";

const SEARCH_CHARS = 200;
const ADDRESS_CHARS = 2000;
const TASKS = [
  ["text-generation", "Text"],
  ["image-text-to-text", "Images and text"],
  ["sentence-similarity", "Embeddings"],
  ["", "Any task"],
];
const FORMATS = [
  ["gguf", "GGUF"],
  ["safetensors", "Safetensors"],
  ["", "Any format"],
];
// Least and most parameters, in billions.
const SIZES = [
  ["", "Any size"],
  ["0-1", "Up to 1B"],
  ["1-4", "1B to 4B"],
  ["4-9", "4B to 9B"],
  ["9-20", "9B to 20B"],
  ["20-40", "20B to 40B"],
  ["40-", "Over 40B"],
];
const LICENCES = [
  ["", "Any licence"],
  ["apache-2.0", "Apache 2.0"],
  ["mit", "MIT"],
  ["bsd-3-clause", "BSD"],
  ["cc-by-4.0", "CC BY 4.0"],
  ["cc-by-nc-4.0", "CC BY-NC 4.0"],
  ["llama3.1", "Llama 3.1"],
  ["gemma", "Gemma"],
  ["other", "Other"],
];
const SORTINGS = [
  ["downloads", "Most downloads"],
  ["trending", "Trending"],
  ["likes", "Most likes"],
  ["recent", "Newest changes"],
];

export class HubSearch {
  // `deeds` are what can be done with a model's choices, onDownload among them.
  constructor({ call, toasts, deeds }) {
    Object.assign(this, { call, toasts, deeds });
    // Counts searches, so that an answer to an older one that comes late is not shown.
    this.asked = 0;
    this.hub = "the hub";
    this.account = new AccountDialog({ call, onToken: () => !this.page.node.hidden && this.page.ask() });
    this.page = new HubModelPage({
      call,
      deeds,
      onBack: () => (history.state?.hubModel ? history.back() : this.showResults()),
      onToken: () => this.account.open(),
    });
    this.words = element("input", { type: "search", class: "form-field", placeholder: "Search models", "aria-label": "Words", maxLength: SEARCH_CHARS, dir: "auto" });
    const again = () => this.asked && this.search();
    this.task = choiceOf(TASKS, { onchange: again });
    this.format = choiceOf(FORMATS, { onchange: again });
    this.size = choiceOf(SIZES, { onchange: again });
    this.licence = choiceOf(LICENCES, { onchange: again });
    this.sorting = choiceOf(SORTINGS, { onchange: again });
    this.address = element("input", {
      type: "text",
      class: "form-field",
      placeholder: "user/model, user/model:branch or an address",
      "aria-label": "A model's name or address",
      maxLength: ADDRESS_CHARS,
      spellcheck: false,
      autocapitalize: "off",
    });
    this.status = element("p", { class: "hub-status", role: "status" });
    this.results = element("ul", { class: "hub-results", "aria-label": "Results" });
    this.more = button("More", () => this.showMore(), "quiet-button more-results", { hidden: true });
    this.list = element("div", { class: "hub-list" }, this.forms(), this.status, this.results, this.more);
    // What had the focus before the dialog may have been made anew.
    this.account.node.addEventListener("close", () => document.activeElement === document.body && this.page.back.focus());
    this.node = element("div", { class: "hub" }, this.list, this.page.node, this.account.node);
  }

  forms() {
    const filters = [
      ["Task", this.task],
      ["Format", this.format],
      ["Size", this.size],
      ["Licence", this.licence],
      ["Sort by", this.sorting],
    ];
    const onSearch = (event) => {
      event.preventDefault();
      this.search();
    };
    const onAddress = (event) => {
      event.preventDefault();
      this.goTo(this.address.value.trim());
    };
    return element(
      "div",
      { class: "hub-forms" },
      element(
        "form",
        { role: "search", "aria-label": "Models on the hub", onsubmit: onSearch },
        element("div", { class: "form-line" }, this.words, element("button", { type: "submit", class: "strong-button", text: "Search" })),
        element("div", { class: "filters" }, ...filters.map(([label, control]) => labelled(label, control))),
      ),
      element(
        "form",
        { class: "form-line", "aria-label": "Open by name", onsubmit: onAddress },
        this.address,
        element("button", { type: "submit", class: "quiet-button", text: "Open" }),
        button("Hub account", () => this.account.open()),
      ),
    );
  }

  async show() {
    try {
      const { name, address } = await this.call("hub_state");
      this.hub = name;
      this.account.show({ name, address });
      if (!this.asked) this.status.textContent = `Searching asks ${name}. Nothing is sent before you do.`;
    } catch (error) {
      this.toasts.error(error);
    }
  }

  hide() {}

  showStandings(downloads, models) {
    this.page.showStandings(downloads, models);
  }

  get query() {
    const [least, most] = this.size.value.split("-");
    return {
      words: this.words.value.trim(),
      task: this.task.value,
      format: this.format.value || null,
      licence: this.licence.value,
      least_parameters: Number(least || 0) * 1e9,
      most_parameters: Number(most || 0) * 1e9,
      sorting: this.sorting.value,
    };
  }

  async search() {
    this.shownQuery = this.query;
    this.results.replaceChildren();
    this.more.hidden = true;
    await this.ask("");
  }

  async showMore() {
    const before = this.results.children.length;
    await this.ask(this.next);
    this.results.children[before]?.querySelector("button").focus();
  }

  async ask(cursor) {
    const asked = ++this.asked;
    this.status.textContent = `Asking ${this.hub} …`;
    this.status.classList.remove("failed");
    this.more.disabled = true;
    try {
      const { entries, next } = await this.call("hub_search", { ...this.shownQuery, cursor });
      if (asked !== this.asked) return;
      this.results.append(...entries.map((entry) => this.row(entry)));
      this.next = next;
      this.more.hidden = !next;
      this.status.textContent = this.results.children.length ? "" : "Nothing found. Fewer words or filters find more.";
    } catch (error) {
      if (asked === this.asked) this.say(error);
    } finally {
      this.more.disabled = false;
    }
  }

  row(entry) {
    const facts = [
      entry.parameters ? `${countText(entry.parameters)} parameters` : "",
      entry.formats.map((format) => (format === "gguf" ? "GGUF" : format)).join(", "),
      entry.licence,
      entry.updated ? `updated ${agoText(entry.updated)}` : "",
    ];
    const open = element(
      "button",
      { type: "button", class: "hub-row", onclick: () => this.openModel(entry.repository, "main", open) },
      element("span", { class: "hub-name" }, ...titleOf(entry)),
      element("span", { class: "hub-counts", text: `${counted(entry.downloads, "download")} · ${counted(entry.likes, "like")}` }),
      element("span", { class: "hub-facts", text: facts.filter(Boolean).join(" · ") }),
    );
    return element("li", {}, open);
  }

  // A file's own address is downloaded at once; anything else is a model's page.
  async goTo(source) {
    if (!source) {
      this.address.focus();
      return;
    }
    try {
      const { repository, revision, path } = await this.call("hub_source", { source });
      if (!path) {
        await this.openModel(repository, revision, this.address);
        return;
      }
      const { download } = await this.call("download_start", { source });
      this.address.value = "";
      this.deeds.onDownload(download);
    } catch (error) {
      this.say(error);
    }
  }

  say(error) {
    this.status.textContent = error.message;
    this.status.classList.add("failed");
  }

  // The browser's own way back leads to the results.
  async openModel(repository, revision, cameFrom) {
    this.cameFrom = cameFrom;
    this.opened = `${repository}:${revision}`;
    history.pushState({ hubModel: this.opened }, "", location.href);
    this.showPage();
    await this.page.open(repository, revision);
  }

  // After a step through the browser's history. A model's page is shown again, but never asked for by itself.
  follow(state) {
    if (state?.hubModel && state.hubModel === this.opened) this.showPage();
    else if (!this.page.node.hidden) this.showResults();
  }

  showPage() {
    this.list.hidden = true;
    this.page.node.hidden = false;
  }

  showResults() {
    this.page.node.hidden = true;
    this.list.hidden = false;
    this.cameFrom?.focus();
  }
}
