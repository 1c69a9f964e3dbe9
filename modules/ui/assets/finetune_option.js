// One field of a recipe: its control by kind, its meaning, why its value was chosen, and the way back.

import { element, iconButton } from "./dom.js";
import { choiceOf } from "./forms.js";
import { reasonText, titleOf, valueText } from "./finetune_words.js";

const CHOSEN_FOR_YOU = "chosen for you";
const AUTOMATIC = "";
const SWITCH = ["true", "false"];

export class OptionRow {
  // `datasets` are the names that a field which wants samples can have.
  constructor(field, draft, datasets) {
    Object.assign(this, { field, draft });
    const { name, description } = field;
    const put = (value) => draft.set({ [name]: value });
    this.control = controlOf(field, `finetune-${name}`, put, datasets);
    const { input } = this.control;
    const onReset = () => {
      draft.set({ [name]: null });
      input.focus();
    };
    this.reset = iconButton("undo", `${titleOf(name)}: back to what is ${CHOSEN_FOR_YOU}`, onReset, "option-reset");
    this.reason = element("span", { class: "option-reason" });
    this.error = element("span", { class: "form-error", role: "alert", hidden: true });
    this.node = element(
      "div",
      { class: "option-row" },
      element("label", { htmlFor: input.id, text: titleOf(name) }),
      element("div", { class: "option-value" }, input, this.reset),
      element("span", { class: "fine", text: description }),
      this.reason,
      this.error,
    );
  }

  show(plan) {
    const { name, default: usual } = this.field;
    const isChosen = this.draft.has(name);
    this.node.classList.toggle("chosen", isChosen);
    this.control.show(isChosen ? this.draft.get(name) : undefined, plan?.recipe[name] ?? usual);
    this.reason.textContent = isChosen ? "" : reasonText(plan?.reasons[name]);
  }

  tell(problem) {
    const { input } = this.control;
    this.error.textContent = problem;
    this.error.hidden = !problem;
    if (problem) input.setAttribute("aria-invalid", "true");
    else input.removeAttribute("aria-invalid");
  }
}

// `put(value)` when the person chose one; null is the program's choice again.
function controlOf(field, id, put, datasets) {
  switch (field.kind) {
    case "choice":
      return new Selection(field.options, (text) => text, id, put);
    case "switch":
      return new Selection(SWITCH, (text) => text === "true", id, put);
    case "source":
      return new Selection(datasets, (dataset) => ({ dataset }), id, put);
    default:
      return new Entry(field, id, put);
  }
}

class Selection {
  constructor(texts, valueOf, id, put) {
    this.values = new Map(texts.map((text) => [text, valueOf(text)]));
    const choices = [...this.values].map(([text, value]) => [text, valueText(value)]);
    this.input = choiceOf([[AUTOMATIC, CHOSEN_FOR_YOU], ...choices], { id, onchange: () => put(this.values.get(this.input.value) ?? null) });
  }

  // `chosen` is undefined where the program chooses; then `used` is what it chose.
  show(chosen, used) {
    this.input.options[0].text = isOpen(used) ? CHOSEN_FOR_YOU : `${valueText(used)} (${CHOSEN_FOR_YOU})`;
    const key = JSON.stringify(chosen);
    this.input.value = [...this.values].find(([, value]) => JSON.stringify(value) === key)?.[0] ?? AUTOMATIC;
  }
}

// A number, a text, or several of them with commas between.
class Entry {
  constructor({ kind, minimum, maximum }, id, put) {
    const isNumber = kind === "integer" || kind === "number";
    const read = () => {
      if (isNumber) return this.input.value === "" ? null : this.input.valueAsNumber;
      return kind === "list" ? this.input.value.split(",").map((one) => one.trim()).filter(Boolean) : this.input.value.trim();
    };
    const onchange = () => !this.input.validity.badInput && put(read());
    const limits = isNumber ? { step: kind === "integer" ? 1 : "any", min: minimum ?? "", max: maximum ?? "" } : { spellcheck: false };
    this.input = element("input", { type: isNumber ? "number" : "text", class: "form-field", id, ...limits, onchange });
  }

  show(chosen, used) {
    this.input.placeholder = isOpen(used) ? CHOSEN_FOR_YOU : valueText(used);
    if (document.activeElement !== this.input) this.input.value = chosen === undefined ? "" : [chosen].flat().join(", ");
  }
}

function isOpen(value) {
  return value === null || value === undefined;
}
