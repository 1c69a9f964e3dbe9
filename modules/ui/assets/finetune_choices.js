// The simple view of a run: name, what to learn, method, length, and the prompts it is asked meanwhile.

import { element } from "./dom.js";
import { choiceOf, labelled } from "./forms.js";
import { METHODS, OBJECTIVES, rateText, reasonText } from "./finetune_words.js";

const AUTOMATIC = "";
const NAME_CHARS = 120;
const MOST_PROBES = 8;
const LENGTHS = [[AUTOMATIC, "Chosen for you"], ["epochs", "Passes over the data"], ["steps", "Steps"]];

export class SimpleChoices {
  constructor({ draft }) {
    this.draft = draft;
    this.name = element("input", { type: "text", class: "form-field", maxLength: NAME_CHARS, spellcheck: false, oninput: () => draft.set({ name: this.name.value.trim() }) });
    this.objective = this.select("objective", OBJECTIVES);
    this.method = this.select("method", METHODS);
    this.unit = choiceOf(LENGTHS, { onchange: () => this.onLength() });
    this.amount = element("input", { type: "number", class: "form-field", min: 0, "aria-label": "How many", oninput: () => this.onLength() });
    this.probes = element("textarea", { class: "form-field", rows: 3, dir: "auto", placeholder: "Who are you?", oninput: () => draft.set({ probes: linesOf(this.probes.value).slice(0, MOST_PROBES) }) });
    this.error = element("p", { class: "form-error", role: "alert", hidden: true });
    this.reasons = Object.fromEntries(["objective", "method", "length"].map((field) => [field, element("span", { class: "fine" })]));
    this.fields = { name: this.name, objective: this.objective, method: this.method, steps: this.amount, epochs: this.amount, probes: this.probes };
    this.node = element(
      "div",
      { class: "tune-part" },
      labelled("Name of the result", this.name),
      this.error,
      element(
        "div",
        { class: "tune-fields" },
        element("div", {}, labelled("What to learn", this.objective), this.reasons.objective),
        element("div", {}, labelled("Method", this.method), this.reasons.method),
        element("div", {}, element("div", { class: "tune-length" }, labelled("Length of the training", this.unit), this.amount), this.reasons.length),
      ),
      labelled("Ask it meanwhile", this.probes, "One prompt a line, at most eight. Each is answered before the run and at every checkpoint, so that you see what changes."),
    );
    this.show();
  }

  select(field, words) {
    const select = choiceOf([[AUTOMATIC, "Chosen for you"], ...Object.entries(words)], { onchange: () => this.draft.set({ [field]: select.value }) });
    return select;
  }

  onLength() {
    const amount = this.amount.valueAsNumber;
    const field = this.unit.value;
    this.amount.hidden = field === AUTOMATIC;
    this.amount.step = field === "epochs" ? 0.1 : 1;
    const chosen = field !== AUTOMATIC && !Number.isNaN(amount) ? amount : null;
    this.draft.set({ epochs: null, steps: null, ...(field === AUTOMATIC ? {} : { [field]: chosen }) });
  }

  // Fields that the person is writing in stay as they are.
  show(plan) {
    const { draft } = this;
    put(this.name, draft.get("name") ?? "");
    put(this.objective, draft.get("objective") ?? AUTOMATIC);
    put(this.method, draft.get("method") ?? AUTOMATIC);
    put(this.probes, (draft.get("probes") ?? []).join("\n"));
    const field = draft.has("steps") ? "steps" : draft.has("epochs") ? "epochs" : AUTOMATIC;
    if (document.activeElement !== this.amount && document.activeElement !== this.unit) {
      this.unit.value = field;
      this.amount.hidden = field === AUTOMATIC;
      this.amount.value = draft.get(field) ?? "";
    }
    this.showReasons(plan);
  }

  showReasons(plan) {
    const { recipe, reasons } = plan ?? { recipe: {}, reasons: {} };
    const said = (field, words) => (!this.draft.has(field) && recipe[field] ? [`${words}.`, reasonText(reasons[field])].filter(Boolean).join(" ") : "");
    this.reasons.objective.textContent = said("objective", OBJECTIVES[recipe.objective]);
    this.reasons.method.textContent = said("method", METHODS[recipe.method]);
    const isChosen = this.draft.has("steps") || this.draft.has("epochs");
    const field = recipe.steps ? "steps" : "epochs";
    this.reasons.length.textContent = isChosen ? "" : said(field, field === "steps" ? `${recipe.steps} steps` : `${rateText(recipe.epochs ?? 0)} passes`);
  }

  // True when the error is about one of these fields.
  showError({ message, field }) {
    const input = this.fields[field];
    if (!input) return false;
    this.error.textContent = message;
    this.error.hidden = false;
    (input.closest(".tune-length") ?? input.closest("div.labelled")).after(this.error);
    input.setAttribute("aria-invalid", "true");
    return true;
  }

  clearError() {
    this.error.hidden = true;
    for (const input of Object.values(this.fields)) input.removeAttribute("aria-invalid");
  }
}

function put(field, value) {
  if (document.activeElement !== field && field.value !== value) field.value = value;
}

function linesOf(text) {
  return text.split("\n").map((line) => line.trim()).filter(Boolean);
}
