// The panel's head: which preset is chosen, and what can be done with presets.

import { element, iconButton } from "./dom.js";
import { button, choiceOf, labelled } from "./forms.js";
import { Menu, menuItem } from "./menu.js";
import { CompareDialog } from "./params_compare.js";
import { NameDialog } from "./params_name.js";
import { counted } from "./words.js";

const DEFAULTS = "Defaults";
const LARGEST_FILE = 256 * 1024;
const MOST_DELETED = 5;

export class PresetBar {
  // `onPresets(answer)` takes what the program answers to a change of presets; `settled()` is when all changes are saved;
  // `onPutBack` takes what `inUse()` gave before.
  constructor({ call, toasts, onChoose, onNeutralise, onPresets, inUse, onPutBack, settled }) {
    Object.assign(this, { call, toasts, onChoose, onNeutralise, onPresets, inUse, onPutBack, settled });
    this.select = choiceOf([], { onchange: () => onChoose(this.select.value) });
    this.more = new Menu(iconButton("more", "More about presets", () => {}), () => this.items(), { label: "Presets" });
    this.about = element("p", { class: "fine", dir: "auto" });
    this.changed = element("span", { class: "fine" });
    this.saveButton = button("Save", () => this.save());
    this.line = element("div", { class: "preset-changes" }, this.changed, element("span", { class: "spacer" }), this.saveButton, button("Save as…", () => this.askName("save")));
    this.file = element("input", { type: "file", accept: ".yaml,.yml", hidden: true, onchange: () => this.importFile() });
    this.names = new NameDialog();
    this.comparison = new CompareDialog({ call });
    this.node = element(
      "div",
      { class: "preset-bar" },
      element("div", { class: "preset-choice" }, labelled("Preset", this.select), this.more.node),
      this.about,
      this.line,
      this.file,
      this.names.node,
      this.comparison.node,
    );
  }

  focus() {
    this.select.focus();
  }

  show(state) {
    this.state = state;
    const { current, presets } = state;
    this.preset = presets.find((one) => one.name === current.preset);
    const options = [[DEFAULTS, ""], ...presets.map((one) => [one.problem ? `${one.name} (damaged)` : one.name, one.name, one.problem])];
    if (current.preset && !this.preset) options.push([`${current.preset} (gone)`, current.preset]);
    this.select.replaceChildren(...options.map(([text, value, problem]) => element("option", { text, value, disabled: Boolean(problem) })));
    this.select.value = current.preset;
    this.about.textContent = this.preset ? this.preset.description : "Parlor's own values, which suit most models.";
    this.about.hidden = !this.about.textContent;
    const count = Object.keys(current.changes).length;
    this.changed.textContent = count ? `${counted(count, "parameter")} changed` : "";
    this.line.hidden = !count;
    this.saveButton.hidden = !this.preset;
    this.saveButton.title = this.preset ? `Save these values to ${this.preset.name}` : "";
  }

  items() {
    const { preset } = this;
    const canRename = preset && !(preset.is_shipped && !preset.is_changed);
    return [
      menuItem("Save as…", () => this.askName("save")),
      canRename ? menuItem("Rename…", () => this.askName("rename")) : null,
      preset?.is_shipped && preset.is_changed ? menuItem("Restore as shipped", () => this.restore()) : null,
      preset && !preset.is_shipped ? menuItem("Delete", () => this.delete()) : null,
      menuItem("Neutralise", () => this.onNeutralise(), { hint: "Nothing chooses among tokens but the model" }),
      menuItem("Compare two…", () => this.comparison.open(this.state)),
      menuItem("Import a file…", () => this.file.click(), { hint: "Ours, or text-generation-webui's" }),
      preset ? menuItem("Export as a file", () => this.export()) : null,
      ...this.state.deleted.slice(0, MOST_DELETED).map((name) => menuItem(`Bring back ${name}`, () => this.bringBack(name))),
    ].filter(Boolean);
  }

  // --- deeds ---

  async save() {
    await this.settled();
    await this.attempt(() => this.saveUnder(this.preset.name, ""));
  }

  // Without a description, one that there is already stays.
  async saveUnder(name, description) {
    const before = this.state.presets.find((one) => one.name === name);
    const inUse = this.inUse();
    await this.onPresets(await this.call("preset_save", { name, values: inUse.values, ...(description ? { description } : {}) }));
    await this.onChoose(name, { isSaved: true });
    const undo = () =>
      this.attempt(async () => {
        await this.onPresets(await this.asBefore(before));
        await this.onPutBack(inUse);
      });
    // A new one can be deleted; a damaged one is of no use to anybody.
    if (!before || before.problem) this.toasts.show(`Saved as ${name}.`);
    else this.toasts.show(`Saved to ${name}.`, { action: "Undo", onAction: undo });
  }

  asBefore({ name, values, description, is_shipped: isShipped, is_changed: isChanged }) {
    if (isShipped && !isChanged) return this.call("preset_restore", { name });
    return this.call("preset_save", { name, values, description });
  }

  async askName(deed) {
    await this.settled();
    const { preset } = this;
    if (deed === "rename") {
      this.names.open({
        title: `Rename ${preset.name}`,
        deed: "Rename",
        name: preset.name,
        act: async (name) => this.onPresets(await this.call("preset_rename", { name: preset.name, new_name: name })),
      });
      return;
    }
    this.names.open({
      title: "Save as a preset",
      deed: "Save",
      name: "",
      taken: this.state.presets.map((one) => one.name),
      description: "",
      act: (name, description) => this.saveUnder(name, description),
    });
  }

  delete() {
    const { name } = this.preset;
    const inUse = this.inUse();
    const undo = () =>
      this.attempt(async () => {
        await this.onPresets(await this.call("preset_restore", { name }));
        await this.onPutBack(inUse);
      });
    return this.attempt(async () => {
      await this.onPresets(await this.call("preset_delete", { name }));
      this.toasts.show(`${name} was deleted. Its values stay in use as changes.`, { action: "Undo", onAction: undo });
    });
  }

  bringBack(name) {
    return this.attempt(async () => {
      await this.onPresets(await this.call("preset_restore", { name }));
      await this.onChoose(name);
    });
  }

  restore() {
    const before = this.preset;
    const { name } = before;
    const undo = () => this.attempt(async () => this.onPresets(await this.asBefore(before)));
    return this.attempt(async () => {
      await this.onPresets(await this.call("preset_restore", { name }));
      this.toasts.show(`${name} is as it was shipped.`, { action: "Undo", onAction: undo });
    });
  }

  importFile() {
    const [file] = this.file.files;
    this.file.value = "";
    if (!file) return null;
    return this.attempt(async () => {
      if (file.size > LARGEST_FILE) throw new Error(`${file.name} is larger than 256 KiB, which is the limit of a preset.`);
      const name = file.name.replace(/\.ya?ml$/i, "");
      const answer = await this.call("preset_import", { name, yaml: await file.text() });
      await this.onPresets(answer);
      const unknown = Object.keys(answer.preset.unknown);
      const words = unknown.length ? ` Kept, but without effect here: ${unknown.join(", ")}.` : "";
      this.toasts.show(`${name} was imported.${words}`, { action: "Use it", onAction: () => this.onChoose(name) });
    });
  }

  export() {
    return this.attempt(async () => {
      const { file, yaml } = await this.call("preset_export", { name: this.preset.name });
      const address = URL.createObjectURL(new Blob([yaml], { type: "application/yaml" }));
      element("a", { href: address, download: file }).click();
      URL.revokeObjectURL(address);
    });
  }

  async attempt(deed) {
    try {
      await deed();
    } catch (error) {
      this.toasts.error(error);
    }
  }
}
