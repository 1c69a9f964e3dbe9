// Every field of a recipe by groups: the value in use, why it was chosen, and the way back to what is chosen for you.

import { control } from "./control.js";
import { element } from "./dom.js";
import { OptionRow } from "./finetune_option.js";

const GROUPS = {
  "What is learned": ["objective", "train_on", "max_length", "too_long", "packing"],
  "The method": ["method", "base_weights", "targets", "rank", "alpha", "dropout", "prompt_tokens"],
  Steps: ["steps", "epochs", "batch_size", "accumulation", "learning_rate", "schedule", "warmup_share", "optimizer", "weight_decay", "max_gradient_norm"],
  "How it is judged": ["evaluation_share", "evaluation_data", "evaluate_every", "patience", "keep_best", "probe_tokens"],
  "Checkpoints and machine": ["checkpoint_every", "keep_checkpoints", "gradient_checkpointing", "processes", "seed"],
};
// They are chosen in the steps above.
const ELSEWHERE = ["model", "name", "data", "probes"];

export class AllOptions {
  constructor({ draft, toasts }) {
    Object.assign(this, { draft, toasts });
    this.rows = new Map();
    this.groups = element("div", { class: "tune-part" });
    this.node = element("details", { class: "tune-details", ontoggle: () => this.node.open && this.load() }, element("summary", { text: "All options" }), this.groups);
  }

  async load() {
    if (this.rows.size) return;
    try {
      const [{ fields }, { datasets }] = await Promise.all([control("training/fields"), control("datasets")]);
      const sources = datasets.map((one) => one.name);
      const kept = fields.filter((field) => !ELSEWHERE.includes(field.name));
      this.rows = new Map(kept.map((field) => [field.name, new OptionRow(field, this.draft, sources)]));
    } catch (error) {
      this.toasts.error(error);
      return;
    }
    const grouped = Object.values(GROUPS).flat();
    const groups = { ...GROUPS, Others: [...this.rows.keys()].filter((name) => !grouped.includes(name)) };
    const filled = Object.entries(groups).map(([title, names]) => [title, names.filter((name) => this.rows.has(name))]);
    this.groups.replaceChildren(...filled.filter(([, names]) => names.length).map(([title, names]) => this.group(title, names)));
    this.show(this.plan);
  }

  group(title, names) {
    return element("fieldset", { class: "option-group" }, element("legend", { text: title }), ...names.map((name) => this.rows.get(name).node));
  }

  show(plan) {
    this.plan = plan;
    for (const row of this.rows.values()) row.show(plan);
  }

  // True when the error is about one of these fields; it is opened to be seen.
  async showError({ message, field }) {
    if (!field || ELSEWHERE.includes(field)) return false;
    await this.load();
    const row = this.rows.get(field);
    if (!row) return false;
    this.node.open = true;
    row.tell(message);
    return true;
  }

  clearError() {
    for (const row of this.rows.values()) row.tell("");
  }
}
