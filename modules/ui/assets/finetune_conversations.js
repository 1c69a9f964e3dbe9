// The person's own conversations as data: found by words, folders and dates, all of them or those that are ticked.

import { control } from "./control.js";
import { element } from "./dom.js";
import { FormError, button, labelled } from "./forms.js";
import { agoText, counted } from "./words.js";

const WAIT_MS = 300;
const WORDS_CHARS = 4096;
const DAY_SECONDS = 86_400;

export class ConversationSource {
  // `onUse(choice)` when these are to be learned from.
  constructor({ onUse }) {
    this.onUse = onUse;
    const oninput = () => this.lookSoon();
    this.search = element("input", { type: "search", class: "form-field", maxLength: WORDS_CHARS, placeholder: "All", oninput });
    this.folder = element("select", { class: "form-field", dir: "auto", onchange: () => this.lookSoon() });
    this.inFolder = labelled("In the folder", this.folder);
    this.showFolders([]);
    this.from = element("input", { type: "date", class: "form-field", oninput });
    this.until = element("input", { type: "date", class: "form-field", oninput });
    this.error = new FormError({ search: this.search, folder: this.folder });
    this.status = element("p", { class: "fine", role: "status" });
    this.list = element("ul", { class: "tune-list short", "aria-label": "Conversations found" });
    this.submit = button("Use these", () => onUse(this.choice), "quiet-button", { disabled: true });
    this.look = button("Find", () => this.find());
    this.node = element(
      "div",
      { class: "tune-part" },
      element("div", { class: "tune-fields" }, labelled("With the words", this.search), this.inFolder, labelled("Changed from", this.from), labelled("Until", this.until)),
      this.error.node,
      element("div", { class: "tune-deeds" }, this.look, this.submit, this.status),
      this.list,
    );
  }

  get choice() {
    const boxes = [...this.list.querySelectorAll("input")];
    const ticked = boxes.filter((one) => one.checked).map((one) => one.value);
    if (boxes.length && ticked.length && ticked.length < boxes.length) return { ids: ticked };
    const until = secondsOf(this.until.value);
    const said = { search: this.search.value.trim() || null, folder: this.folder.value || null, updated_from: secondsOf(this.from.value), updated_until: until && until + DAY_SECONDS - 1 };
    return Object.fromEntries(Object.entries(said).filter(([, value]) => value !== null));
  }

  // Those there are; one that was chosen stays, even when its last conversation has left it.
  showFolders(folders) {
    const chosen = this.folder.value;
    const names = chosen && !folders.includes(chosen) ? [chosen, ...folders] : folders;
    this.inFolder.hidden = !names.length;
    this.folder.replaceChildren(
      element("option", { value: "", text: "All" }),
      ...names.map((value) => element("option", { value, text: value, selected: value === chosen })),
    );
  }

  lookSoon() {
    clearTimeout(this.timer);
    this.list.replaceChildren();
    this.timer = setTimeout(() => this.find(), WAIT_MS);
  }

  async find() {
    this.error.clear();
    this.list.replaceChildren();
    try {
      const { count, messages, first, folders } = await control("datasets/conversations", { choice: this.choice });
      this.status.textContent = count ? `${counted(count, "conversation")}, ${counted(messages, "message")}` : "No conversation matches.";
      this.submit.disabled = !count;
      this.showFolders(folders);
      // Single ones can be left out only where all of them are seen.
      const canTick = first.length === count;
      this.list.replaceChildren(...first.map((one) => row(one, canTick)));
    } catch (error) {
      this.error.show(error);
    }
  }
}

function row({ id, title, updated }, canTick) {
  return element(
    "li",
    { class: "tune-row" },
    element(
      "label",
      { class: "row-choice" },
      canTick ? element("input", { type: "checkbox", value: id, checked: true }) : null,
      element("span", { class: "tune-name", dir: "auto", text: title }),
      element("span", { class: "fine", text: agoText(updated) }),
    ),
  );
}

// The beginning of a day where the person is.
function secondsOf(day) {
  return day ? new Date(`${day}T00:00`).getTime() / 1000 : null;
}
