// One model on this machine: what it is, where it stands, and what can be done with it.

import { element, icon, iconButton, sizeText } from "./dom.js";
import { failure, stateWords } from "./model_state.js";
import { agoText, bytesText, countText, numberText } from "./words.js";

const NOTE_CHARS = 2000;
const NAME_CHARS = 200;

export class LibraryRow {
  constructor({ act, onLoad, onTalk, onDelete }) {
    Object.assign(this, { act, onLoad, onTalk, onDelete });
    // By part: what it was made from.
    this.shown = new Map();
    this.node = element("li", { class: "library-row" });
    this.head = element("div", { class: "row-head" });
    this.state = element("div", { class: "row-state" });
    this.buttons = element("div", { class: "row-buttons" });
    this.failure = element("div", { class: "row-failure" });
    this.details = element("div", { class: "row-details", hidden: true });
    this.node.append(this.head, this.failure, this.details);
  }

  focus() {
    this.opener.focus();
  }

  // Parts are made anew only when they become others, so that the focus and what is being typed stay.
  show(model) {
    this.model = model;
    const { state, fraction, note, error, details, ...lasting } = model;
    this.remake(this.head, lasting, () => this.showHead());
    this.remake(this.state, [state, fraction, note], () => this.showState());
    this.remake(this.buttons, [state, model.problem, model.title], () => this.showButtons());
    this.remake(this.failure, [state, error, details], () => this.failure.replaceChildren(...(state === "failed" ? [failure(model)] : [])));
    if (!this.details.hidden) this.remake(this.details, [lasting, state], () => this.showDetails());
  }

  remake(part, value, make) {
    const { activeElement } = document;
    const now = JSON.stringify(value);
    const hasFocus = part.contains(activeElement);
    if (this.shown.get(part) === now || (hasFocus && activeElement.matches("input, textarea"))) return;
    this.shown.set(part, now);
    make();
    if (hasFocus && !part.contains(document.activeElement)) part.querySelector(`[data-key="${activeElement.dataset.key}"]`)?.focus();
  }

  // --- always to be seen ---

  showHead() {
    const { model } = this;
    this.star = iconButton("star", `Favourite: ${model.title}`, () => this.act("models_favourite", { model: model.id, favourite: !model.favourite }), "star");
    this.star.dataset.key = "star";
    this.star.setAttribute("aria-pressed", String(model.favourite));
    this.title = element("span", { class: "row-title", dir: "auto", text: model.title });
    const kind = [formatName(model.format), model.quantization, model.licence].filter(Boolean).join(" · ");
    this.opener = element(
      "button",
      { type: "button", class: "row-open", "data-key": "open", "aria-expanded": String(!this.details.hidden), onclick: () => this.toggle() },
      this.title,
      element("span", { class: "row-kind", text: model.user_note ? `${kind} · ${firstLine(model.user_note)}` : kind }),
    );
    const problem = model.problem ? element("p", { class: "row-problem", text: model.problem }) : null;
    this.head.replaceChildren(
      this.star,
      element("div", { class: "row-name" }, this.opener, problem),
      element(
        "div",
        { class: "row-facts" },
        fact("parameters", model.parameters ? countText(model.parameters) : "", " parameters"),
        fact("context", model.context_length ? numberText(model.context_length) : "", " context"),
        fact("size", sizeText(model.size_bytes)),
        fact("used", agoText(model.last_used) || "never", "", "used "),
      ),
      this.state,
      this.buttons,
    );
  }

  showState() {
    const { model } = this;
    if (model.problem) {
      this.state.replaceChildren(element("span", { class: "damaged-word", text: "damaged" }));
      return;
    }
    const nodes = [element("span", { class: `dot ${model.state}` }), element("span", { text: stateWords(model) })];
    if (model.state === "loading") nodes.push(element("progress", { max: 1, value: model.fraction ?? 0, "aria-label": `Loading ${model.title}` }));
    if (model.state === "loading" && model.note) this.state.title = model.note;
    this.state.replaceChildren(...nodes);
  }

  showButtons() {
    const { model } = this;
    const [text, label, press] = {
      ready: ["Unload", `Unload ${model.title}`, () => this.act("models_unload", { model: model.id })],
      loading: ["Cancel", `Cancel loading ${model.title}`, () => this.act("models_unload", { model: model.id })],
    }[model.state] ?? ["Load…", `Load ${model.title}`, () => this.onLoad(model)];
    const main = element("button", { type: "button", class: "quiet-button", "data-key": "main", "aria-label": label, text, onclick: press });
    const more = iconButton("down", `Details of ${model.title}`, () => this.toggle(), "row-more");
    more.dataset.key = "more";
    more.setAttribute("aria-expanded", String(!this.details.hidden));
    this.buttons.replaceChildren(...(model.problem ? [] : [main]), more);
  }

  // --- on request ---

  toggle() {
    this.details.hidden = !this.details.hidden;
    this.node.classList.toggle("open", !this.details.hidden);
    for (const button of this.node.querySelectorAll("[aria-expanded]")) button.setAttribute("aria-expanded", String(!this.details.hidden));
    this.show(this.model);
  }

  showDetails() {
    const { model } = this;
    const note = element("textarea", { class: "note-field", rows: 2, dir: "auto", value: model.user_note, maxLength: NOTE_CHARS, placeholder: "Your own words about this model" });
    note.addEventListener("change", () => note.value !== this.model.user_note && this.act("models_note", { model: model.id, note: note.value }));
    const button = (key, text, press, extra = "") => element("button", { type: "button", class: `quiet-button ${extra}`, "data-key": key, text, onclick: press });
    this.details.replaceChildren(
      element("dl", { class: "facts" }, ...factsOf(model).map(([name, value]) => element("div", { class: "facts-pair" }, element("dt", { text: name }), element("dd", { dir: "auto", text: value })))),
      element("label", { class: "note" }, element("span", { text: "Note" }), note),
      element(
        "div",
        { class: "row-actions" },
        ...(model.problem ? [] : [button("talk", "Use in chat", () => this.onTalk(model.id))]),
        ...(model.state === "ready" ? [button("again", "Load with other options…", () => this.onLoad(model))] : []),
        button("rename", "Rename", () => this.beginRename()),
        button("delete", "Delete", () => this.onDelete(model), "danger"),
      ),
    );
  }

  beginRename() {
    const { model } = this;
    const field = element("input", { class: "rename", value: model.id, dir: "auto", "aria-label": `New name of ${model.title}`, maxLength: NAME_CHARS });
    let isDone = false;
    const finish = async (keep) => {
      if (isDone) return;
      isDone = true;
      const name = field.value.trim();
      this.opener.hidden = false;
      field.remove();
      this.show(this.model);
      this.node.querySelector("[data-key=rename]")?.focus();
      if (keep && name && name !== model.id) await this.act("models_rename", { model: model.id, new_name: name });
    };
    field.addEventListener("keydown", (event) => {
      const isEnter = event.key === "Enter" && !event.isComposing;
      if (!isEnter && event.key !== "Escape") return;
      event.preventDefault();
      finish(isEnter);
    });
    // Another window in front does not mean that the person is done.
    field.addEventListener("blur", () => document.activeElement === field || finish(true));
    this.opener.hidden = true;
    this.opener.after(field);
    field.focus();
    field.select();
  }
}

// The words around a figure are for where no column heads stand above it.
function fact(name, value, after = "", before = "") {
  const words = (text) => (text ? element("span", { class: "fact-words", text }) : null);
  return element("span", { class: `fact ${name}` }, ...(value ? [words(before), element("span", { text: value }), words(after)] : []));
}

function factsOf(model) {
  const facts = [
    ["Name", model.id],
    ["Architecture", model.architecture],
    ["Format", [formatName(model.format), model.quantization].filter(Boolean).join(", ")],
    ["Parameters", model.parameters ? numberText(model.parameters) : ""],
    ["Context", model.context_length ? `${numberText(model.context_length)} tokens` : ""],
    ["Layers", model.layers ? numberText(model.layers) : ""],
    ["Heads", model.heads ? `${model.heads} (${model.kv_heads || model.heads} for keys and values)` : ""],
    ["Vocabulary", model.vocabulary ? `${numberText(model.vocabulary)} tokens` : ""],
    ["Chat template", model.has_chat_template ? "the model's own" : "none; Parlor uses one of its own"],
    ["Images", model.has_projector ? "can be read" : ""],
    ["Licence", model.licence],
    ["Files", model.files > 1 ? `${model.files}` : ""],
    ["Size", bytesText(model.size_bytes)],
    ["Memory now", model.memory_bytes ? bytesText(model.memory_bytes) : ""],
    ["Engine", model.state === "ready" ? model.engine : ""],
    ["Loaded with", model.loaded_context ? `${numberText(model.loaded_context)} tokens of context, ${model.slots} at once` : ""],
  ];
  return facts.filter(([, value]) => value);
}

function formatName(format) {
  return { gguf: "GGUF", safetensors: "Safetensors" }[format] ?? format;
}

function firstLine(text) {
  return text.split("\n")[0];
}
