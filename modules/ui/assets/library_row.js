// One model on this machine: what it is, where it stands, and what can be done with it.

import { copyButton, element, iconButton, sizeText } from "./dom.js";
import { button } from "./forms.js";
import { failure, stateWords } from "./model_state.js";
import { agoText, bytesText, countText, numberText } from "./words.js";

const NOTE_CHARS = 2000;

export class LibraryRow {
  constructor({ act, onLoad, onTalk, onRename, onDelete }) {
    Object.assign(this, { act, onLoad, onTalk, onRename, onDelete });
    // By part: what it was made from.
    this.shown = new WeakMap();
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

  // Parts are made anew only when they become others, so that the focus and what is being typed stay. A note is saved
  // when a button is pressed: that button must not be made anew for it, or it would not hear of its click.
  show(model) {
    this.model = model;
    const { state, fraction, note, error, details, user_note: words, ...lasting } = model;
    this.remake(this.head, lasting, () => this.showHead());
    this.remake(this.kind, [lasting, words], () => this.showKind());
    this.remake(this.state, [state, fraction, note], () => this.showState());
    this.remake(this.buttons, [state, model.problem, model.title], () => this.showButtons());
    this.remake(this.failure, [state, error, details], () => this.failure.replaceChildren(...(state === "failed" ? [failure(model)] : [])));
    if (this.details.hidden) return;
    this.remake(this.details, [lasting, state], () => this.showDetails());
    this.remake(this.words, words, () => (this.words.value = words));
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
    this.kind = element("span", { class: "row-kind" });
    const mark = model.location ? "linked" : model.folder && `in ${model.folder}`;
    this.opener = element(
      "button",
      { type: "button", class: "row-open", "data-key": "open", "aria-expanded": String(!this.details.hidden), onclick: () => this.toggle() },
      this.title,
      mark ? element("span", { class: "mark", dir: "auto", text: mark }) : null,
      this.kind,
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

  showKind() {
    const { is_built_in: isBuiltIn, format, quantization, licence, user_note: note } = this.model;
    const kind = isBuiltIn ? "Built in · repeats what you write, to try things without a model" : [formatName(format), quantization, licence].filter(Boolean).join(" · ");
    this.kind.textContent = note ? `${kind} · ${firstLine(note)}` : kind;
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
    }[model.state] ?? ["Load…", `Load ${model.title}`, () => this.onLoad(model.id)];
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
    const note = element("textarea", { class: "note-field", rows: 2, dir: "auto", maxLength: NOTE_CHARS, placeholder: "Your own words about this model" });
    note.addEventListener("change", () => note.value !== this.model.user_note && this.act("models_note", { model: model.id, note: note.value }));
    this.words = note;
    this.details.replaceChildren(
      apiName(model),
      element("dl", { class: "facts" }, ...factsOf(model).map(([name, value]) => element("div", { class: "facts-pair" }, element("dt", { text: name }), element("dd", { dir: "auto", text: value })))),
      element("label", { class: "note" }, element("span", { text: "Note" }), note),
      element(
        "div",
        { class: "row-actions" },
        ...(model.problem ? [] : [deed("talk", "Talk to it", () => this.onTalk(model.id))]),
        ...(model.state === "ready" ? [deed("again", "Load with other options…", () => this.onLoad(model.id))] : []),
        ...this.deeds(),
      ),
    );
  }

  // What cannot be done now says why.
  deeds() {
    const { model } = this;
    if (model.is_built_in) return [];
    if (model.folder) return [element("span", { class: "fine", text: `It lies in ${model.folder}, a folder of another program, where nothing is renamed or deleted.` })];
    const [isLoaded, isLoading] = [model.state === "ready", model.state === "loading"];
    const reason = isLoaded ? "To rename it, unload it first." : isLoading && "To rename or delete it, cancel loading it first.";
    return [
      deed("rename", "Rename…", () => this.onRename(model), { disabled: isLoaded || isLoading }),
      deed("delete", isLoaded ? "Unload and delete" : "Delete", () => this.onDelete(model), { class: "quiet-button danger", disabled: isLoading }),
      ...(reason ? [element("span", { class: "fine", text: reason })] : []),
    ];
  }
}

function deed(key, text, press, properties = {}) {
  return button(text, press, "quiet-button", { "data-key": key, ...properties });
}

function apiName(model) {
  return element(
    "p",
    { class: "api-name" },
    element("span", { class: "fine", text: "In API requests, model is" }),
    element("span", { class: "api-value" }, element("code", { text: model.id }), copyButton(`Copy the API name of ${model.title}`, () => model.id)),
  );
}

// The words around a figure are for where no column heads stand above it.
function fact(name, value, after = "", before = "") {
  const words = (text) => (text ? element("span", { class: "fact-words", text }) : null);
  return element("span", { class: `fact ${name}` }, ...(value ? [words(before), element("span", { text: value }), words(after)] : []));
}

function factsOf(model) {
  const facts = [
    ["Architecture", model.architecture],
    ["Format", [formatName(model.format), model.quantization].filter(Boolean).join(", ")],
    ["Parameters", model.parameters ? numberText(model.parameters) : ""],
    ["Context", model.context_length ? `${numberText(model.context_length)} tokens` : ""],
    ["Layers", model.layers ? numberText(model.layers) : ""],
    ["Heads", model.heads ? `${model.heads} (${model.kv_heads || model.heads} for keys and values)` : ""],
    ["Vocabulary", model.vocabulary ? `${numberText(model.vocabulary)} tokens` : ""],
    ["Chat template", model.is_built_in ? "" : model.has_chat_template ? "the model's own" : "none; Parlor uses one of its own"],
    ["Images", model.has_projector ? "can be read" : ""],
    ["Licence", model.licence],
    ["Files", model.files > 1 ? `${model.files}` : ""],
    ["Size", model.size_bytes ? bytesText(model.size_bytes) : ""],
    ["Linked to", model.location],
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
