// A template over the rows of a file: which column is which variable, and what the first rows would be asked.

import { control } from "./control.js";
import { element } from "./dom.js";
import { button, choiceOf, Dialog, FormError, labelled } from "./forms.js";
import { counted, numberText } from "./words.js";

const LARGEST_FILE_BYTES = 3_000_000;
const PATH_CHARS = 4096;
const NAME_CHARS = 120;
const SAME = "";

export class RunDialog {
  // `onBegun` after a run was begun.
  constructor({ toasts, onBegun }) {
    Object.assign(this, { toasts, onBegun });
    this.file = element("input", { type: "file", class: "form-field", accept: ".csv,.tsv,.jsonl,.ndjson", onchange: () => this.takeFile() });
    this.path = element("input", {
      type: "text", class: "form-field", maxLength: PATH_CHARS, spellcheck: false, placeholder: "/home/me/letters", onchange: () => this.takePath(),
    });
    this.found = element("p", { class: "hub-status", role: "status" });
    this.mapping = element("div", { class: "run-mapping" });
    this.name = element("input", { type: "text", class: "form-field", maxLength: NAME_CHARS, placeholder: "Named by template and time" });
    this.format = choiceOf([["csv", "CSV, safe for spreadsheets"], ["jsonl", "JSONL, exact"]]);
    this.previews = element("ol", { class: "run-previews", "aria-label": "The first prompts" });
    this.rest = element(
      "div",
      { class: "run-rest", hidden: true },
      this.mapping,
      element("div", { class: "run-choices" }, labelled("Name", this.name), labelled("Result file", this.format)),
      element("details", { open: true }, element("summary", { text: "What the first rows will be asked" }), this.previews),
    );
    this.error = new FormError({ path: this.path, name: this.name, input: this.file });
    this.submit = element("button", { type: "submit", class: "strong-button", text: "Start", disabled: true });
    const onsubmit = (event) => {
      event.preventDefault();
      this.begin();
    };
    const form = element(
      "form",
      { class: "run-form", onsubmit },
      labelled("A CSV or JSONL file", this.file, "Its first row, or its keys, name the columns."),
      labelled("Or a path on this machine", this.path, "Of such a file, or of a folder with texts (.txt, .md)."),
      this.found,
      this.rest,
      this.error.node,
      element("div", { class: "dialog-buttons" }, button("Cancel", () => this.dialog.close()), this.submit),
    );
    this.dialog = new Dialog("Run over a file", form);
    this.dialog.node.classList.add("wide");
    this.node = this.dialog.node;
  }

  // `values` are those of the form, for variables that are the same in every row.
  show(listed, values, model) {
    Object.assign(this, { listed, values, model });
    this.dialog.title = `${listed.template.title || listed.name}: run over a file`;
    this.error.clear();
    this.dialog.open();
    if (this.input) this.showColumns();
    else this.file.focus();
  }

  async takeFile() {
    const [file] = this.file.files;
    if (!file) return;
    this.path.value = "";
    if (file.size > LARGEST_FILE_BYTES) {
      this.forget();
      this.error.show({ message: "This file is larger than 3 MB. Write its path instead.", field: "path" });
      return;
    }
    await this.look({ file_name: file.name, content_base64: base64(await file.arrayBuffer()) });
  }

  async takePath() {
    const path = this.path.value.trim();
    if (!path) return;
    this.file.value = "";
    await this.look({ path });
  }

  forget() {
    this.input = undefined;
    this.rest.hidden = true;
    this.submit.disabled = true;
    this.found.textContent = "";
  }

  async look(input) {
    this.error.clear();
    this.forget();
    this.found.textContent = "Reading …";
    try {
      const { columns, rows, first } = await control("runs/columns", input);
      Object.assign(this, { input, columns, first });
      this.found.textContent = `${numberText(rows)} ${rows === 1 ? "row" : "rows"}, ${counted(columns.length, "column")}`;
      this.format.value = /\.(jsonl|ndjson)$/i.test(input.file_name ?? input.path) ? "jsonl" : "csv";
      this.showColumns();
    } catch (error) {
      this.found.textContent = "";
      this.error.show(error);
    }
  }

  showColumns() {
    const { variables } = this.listed.template;
    const guess = guessed(variables, this.columns, this.first);
    this.choices = new Map(variables.map((one) => [one.name, this.columnChoice(one, guess.get(one.name))]));
    this.mapping.replaceChildren(...variables.map((one) => labelled(one.label || one.name, this.choices.get(one.name))));
    this.rest.hidden = false;
    this.preview();
  }

  columnChoice({ name }, guess) {
    const same = this.values[name]?.trim() ? `the same for all: ${short(this.values[name])}` : "the same for all: empty";
    const choices = [[SAME, same], ...this.columns.map((column) => [column, `column ${column}`])];
    const select = choiceOf(choices, { onchange: () => this.preview() });
    select.value = guess ?? SAME;
    return select;
  }

  get plan() {
    const chosen = [...this.choices].map(([name, select]) => [name, select.value]);
    const columns = Object.fromEntries(chosen.filter(([, column]) => column !== SAME));
    const rest = chosen.filter(([name, column]) => column === SAME && this.values[name] !== undefined);
    return { template: this.listed.name, columns, values: Object.fromEntries(rest.map(([name]) => [name, this.values[name]])), ...this.input };
  }

  async preview() {
    this.error.clear();
    this.submit.disabled = true;
    try {
      const { previews } = await control("runs/preview", this.plan);
      this.previews.replaceChildren(...previews.map((one) => element("li", { class: one.error ? "form-error" : "", dir: "auto", text: textOf(one) })));
      this.submit.disabled = false;
    } catch (error) {
      this.previews.replaceChildren();
      this.error.show(error);
    }
  }

  async begin() {
    this.error.clear();
    this.submit.disabled = true;
    try {
      const body = { ...this.plan, name: this.name.value.trim(), model: this.model, format: this.format.value };
      const { run } = await control("runs/create", body);
      this.name.value = "";
      this.dialog.close();
      this.onBegun(run);
    } catch (error) {
      this.error.show(error);
    } finally {
      this.submit.disabled = false;
    }
  }
}

// A column of the variable's own name; else the first variable that needs a value takes the likeliest column: the one
// called text, or the one with most to read in the `first` rows.
function guessed(variables, columns, first) {
  const found = new Map(variables.filter((one) => columns.includes(one.name)).map((one) => [one.name, one.name]));
  const needy = variables.find((one) => one.default === null && !found.has(one.name));
  const letters = (column) => first.reduce((sum, row) => sum + row[column].length, 0);
  const longest = columns.toSorted((one, other) => letters(other) - letters(one))[0];
  if (!found.size && needy) found.set(needy.name, columns.includes("text") ? "text" : longest);
  return found;
}

function textOf({ prompt, error }) {
  if (error) return error;
  return prompt.messages.length ? prompt.messages.map((one) => one.content).join("\n\n") : prompt.prompt;
}

function short(text) {
  return text.length > 40 ? `${text.slice(0, 40)} …` : text;
}

function base64(buffer) {
  const bytes = new Uint8Array(buffer);
  const pieces = [];
  for (let start = 0; start < bytes.length; start += 0x8000) pieces.push(String.fromCharCode(...bytes.subarray(start, start + 0x8000)));
  return btoa(pieces.join(""));
}
