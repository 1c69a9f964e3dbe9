// An extension's settings: a form made from the JSON schema of its settings model.

import { control } from "./control.js";
import { element } from "./dom.js";
import { button, FormError } from "./forms.js";
import { fieldOf } from "./extension_fields.js";

const LONG_CHARS = 400;
const MASKED = "Set. Leave empty to keep it.";

export class SettingsForm {
  // `onSaved` when other settings hold: what the extension gives may be another.
  constructor({ extension, toasts, onSaved }) {
    Object.assign(this, { extension, toasts, onSaved });
    this.fields = element("div", { class: "extension-settings" });
    this.error = new FormError();
    this.save = element("button", { type: "submit", class: "quiet-button", text: "Save" });
    this.node = element("form", { class: "extension-settings", noValidate: true, hidden: true, onsubmit: (event) => this.submit(event) }, element("h3", { text: "Settings" }), this.fields, this.error.node, element("div", {}, this.save));
  }

  get path() {
    return `extensions/${encodeURIComponent(this.extension)}/settings`;
  }

  // Settings are known once the extension is enabled.
  async look() {
    try {
      this.show(await control(this.path));
    } catch (error) {
      this.toasts.error(error);
    }
  }

  forget() {
    this.isKnown = false;
    this.node.hidden = true;
  }

  show({ schema, values, secrets }) {
    this.isKnown = true;
    const properties = Object.entries(schema?.properties ?? {});
    this.node.hidden = !properties.length;
    this.settings = properties.map(([name, property]) => new Setting(name, plainOf(property, schema), values[name], secrets.includes(name)));
    this.error.fields = Object.fromEntries(this.settings.map((setting) => [setting.name, setting.field.input]));
    this.fields.replaceChildren(...this.settings.map((setting) => setting.node));
  }

  async submit(event) {
    event.preventDefault();
    this.error.clear();
    this.save.disabled = true;
    try {
      const values = Object.fromEntries(this.settings.map((setting) => [setting.name, setting.value]).filter(([, value]) => value !== undefined));
      this.show(await control(this.path, { values }, { method: "PUT" }));
      this.toasts.show("Saved.");
      await this.onSaved();
    } catch (error) {
      this.error.show(error);
    } finally {
      this.save.disabled = false;
    }
  }
}

// One property of the schema, and how its value is written in a field.
class Setting {
  constructor(name, property, value, isSecret) {
    Object.assign(this, { name, property });
    this.kind = kindOf(property, isSecret);
    const { title, description, minimum, maximum, maxLength } = property;
    const shown = isSecret ? "" : written(value ?? property.default, this.kind);
    const limits = { number: { min: minimum ?? null, max: maximum ?? null }, secret: { placeholder: value ? MASKED : "" } }[this.kind] ?? { maxLength: maxLength ?? null };
    this.field = fieldOf({ name, label: labelOf(name, title), kind: FIELDS[this.kind] ?? this.kind, value: shown, choices: (property.enum ?? []).map(String), help: helpOf(description, this.kind), limits }, {});
    this.isForgotten = false;
    this.node = element("div", {}, this.field.node, isSecret && value ? this.forgetButton() : null);
  }

  // Undefined is left out: the default, or of a secret what it was.
  get value() {
    const { value } = this.field;
    switch (this.kind) {
      case "number":
        return value ?? undefined;
      case "secret":
        return value || (this.isForgotten ? "" : undefined);
      case "choice":
        return this.property.enum.find((one) => String(one) === value);
      case "list":
        return value.split("\n").map((line) => line.trim()).filter(Boolean);
      case "json":
        return jsonOf(value, this.name);
      default:
        return value;
    }
  }

  forgetButton() {
    const forget = () => {
      this.isForgotten = true;
      this.field.input.placeholder = "It is removed when you save.";
      this.field.input.focus();
    };
    return button("Remove it", forget, "quiet-button", { "aria-label": `Remove ${this.property.title ?? this.name}` });
  }
}

// A title that was only made of the name is written as a sentence begins.
function labelOf(name, title = name) {
  const words = name.replaceAll("_", " ");
  return title.toLowerCase() === words ? words[0].toUpperCase() + words.slice(1) : title;
}

// How values of a kind are shown, where that is not a field's own kind.
const FIELDS = { list: "lines", json: "lines" };

function kindOf({ type, items, enum: choices, maxLength, default: usual }, isSecret) {
  if (isSecret) return "secret";
  if (choices) return "choice";
  if (type === "boolean") return "switch";
  if (type === "integer" || type === "number") return "number";
  if (type === "string") return maxLength > LONG_CHARS || String(usual ?? "").includes("\n") ? "lines" : "text";
  return type === "array" && items?.type === "string" ? "list" : "json";
}

function written(value, kind) {
  if (kind === "list") return (value ?? []).join("\n");
  return kind === "json" ? JSON.stringify(value ?? null, null, 2) : value;
}

function helpOf(description = "", kind = "") {
  return [description, { list: "One on each line.", json: "Written as JSON." }[kind]].filter(Boolean).join(" ");
}

function jsonOf(text, name) {
  try {
    return JSON.parse(text);
  } catch {
    throw Object.assign(new Error(`${name} is not written as JSON.`), { field: name });
  }
}

// What a property is where it refers to a definition, or may also be absent.
function plainOf(property, schema) {
  const { $ref, anyOf, allOf, ...rest } = property;
  const inner = $ref ? schema.$defs?.[$ref.split("/").at(-1)] : (anyOf ?? allOf)?.find((one) => one.type !== "null");
  return inner ? { ...plainOf(inner, schema), ...rest } : property;
}
