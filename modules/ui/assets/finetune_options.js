// Every field of a recipe by groups: the value in use, why it was chosen, and the way back to what is chosen for you.

import { control } from "./control.js";
import { element, iconButton } from "./dom.js";
import { choiceOf } from "./forms.js";
import { titleOf, valueText } from "./finetune_words.js";

const GROUPS = {
  "What is learned": ["objective", "train_on", "max_length", "too_long", "packing"],
  "The method": ["method", "base_weights", "targets", "rank", "alpha", "dropout", "prompt_tokens"],
  Steps: ["steps", "epochs", "batch_size", "accumulation", "learning_rate", "schedule", "warmup_share", "optimizer", "weight_decay", "max_gradient_norm"],
  "How it is judged": ["evaluation_share", "evaluate_every", "patience", "keep_best", "probe_tokens"],
  "Checkpoints and machine": ["checkpoint_every", "keep_checkpoints", "gradient_checkpointing", "processes", "seed"],
};
// Chosen in the steps above, or files of their own.
const ELSEWHERE = ["model", "name", "data", "evaluation_data", "probes"];
const AUTOMATIC = "";

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
      const { fields } = await control("training/fields");
      const kept = fields.filter((field) => !ELSEWHERE.includes(field.name));
      this.rows = new Map(kept.map((field) => [field.name, new OptionRow(field, this.draft)]));
      const named = new Set(Object.values(GROUPS).flat());
      const others = kept.map((field) => field.name).filter((name) => !named.has(name));
      const groups = [...Object.entries(GROUPS), ["Others", others]].map(([title, names]) => [title, names.filter((name) => this.rows.has(name))]);
      this.groups.replaceChildren(...groups.filter(([, names]) => names.length).map(([title, names]) => this.group(title, names)));
      this.show(this.plan);
    } catch (error) {
      this.toasts.error(error);
    }
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

class OptionRow {
  constructor(field, draft) {
    Object.assign(this, { field, draft });
    const { name, description } = field;
    const id = `finetune-${name}`;
    this.input = this.control(field, id);
    this.reset = iconButton("undo", `${titleOf(name)}: back to what is chosen for you`, () => {
      draft.set({ [name]: null });
      this.input.focus();
    });
    this.reason = element("span", { class: "option-reason" });
    this.error = element("span", { class: "form-error", role: "alert", hidden: true });
    this.node = element(
      "div",
      { class: "option-row" },
      element("label", { htmlFor: id, text: titleOf(name) }),
      element("div", { class: "option-value" }, this.input, this.reset),
      element("span", { class: "fine", text: description }),
      this.reason,
      this.error,
    );
  }

  control({ name, kind, options, default: usual, minimum, maximum }, id) {
    const put = (value) => this.draft.set({ [name]: value });
    const choices = options?.length ? options.map((one) => [String(one), valueText(one)]) : isSwitch(kind, usual) ? [["true", "on"], ["false", "off"]] : null;
    if (choices) {
      const read = (text) => (options?.length ? options.find((one) => String(one) === text) : text === "true");
      const select = choiceOf([[AUTOMATIC, "chosen for you"], ...choices], { id, onchange: () => put(select.value === AUTOMATIC ? null : read(select.value)) });
      return select;
    }
    if (name === "targets" || /list|texts|tuple/.test(kind)) {
      const onchange = () => put(input.value.split(",").map((one) => one.trim()).filter(Boolean));
      const input = element("input", { type: "text", class: "form-field", id, spellcheck: false, onchange });
      return input;
    }
    const onchange = () => !input.validity.badInput && put(Number.isNaN(input.valueAsNumber) ? null : input.valueAsNumber);
    const input = element("input", { type: "number", class: "form-field", id, step: /int|whole/.test(kind) ? 1 : "any", min: minimum ?? "", max: maximum ?? "", onchange });
    return input;
  }

  show(plan) {
    const { name, default: usual } = this.field;
    const isChosen = this.draft.has(name);
    const used = plan?.recipe[name] ?? usual;
    this.reset.style.visibility = isChosen ? "visible" : "hidden";
    this.node.classList.toggle("chosen", isChosen);
    const words = valueText(used);
    if (this.input.tagName === "SELECT") {
      this.input.options[0].text = used === null || used === undefined ? "chosen for you" : `${words} (chosen for you)`;
      this.input.value = isChosen ? String(this.draft.get(name)) : AUTOMATIC;
    } else {
      this.input.placeholder = used === null || used === undefined ? "chosen for you" : words;
      if (document.activeElement !== this.input) this.input.value = isChosen ? [this.draft.get(name)].flat().join(", ") : "";
    }
    this.reason.textContent = (!isChosen && plan?.reasons[name]) || "";
  }

  tell(problem) {
    this.error.textContent = problem;
    this.error.hidden = !problem;
    if (problem) this.input.setAttribute("aria-invalid", "true");
    else this.input.removeAttribute("aria-invalid");
  }
}

function isSwitch(kind, usual) {
  return typeof usual === "boolean" || /bool|switch/.test(kind);
}
