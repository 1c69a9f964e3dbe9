// What a person has chosen for a run so far, kept in this browser; what is not chosen is left to the program.

const KEPT_UNDER = "finetune";
// What a run is about, as opposed to how it is done.
export const SUBJECT = ["model", "name", "data", "evaluation_data"];

export class Draft {
  constructor({ onChange }) {
    this.onChange = onChange;
    this.values = kept();
  }

  get recipe() {
    return { ...this.values };
  }

  get isComplete() {
    return Boolean(this.values.model && this.values.data && this.values.name);
  }

  has(field) {
    return Object.hasOwn(this.values, field);
  }

  get(field) {
    return this.values[field];
  }

  // A value that is undefined, null or empty is no choice any more.
  set(changes) {
    this.put(choicesOf({ ...this.values, ...changes }));
  }

  // Another recipe's choices; what this run is about, and what it is asked, stays where that recipe leaves it open.
  takeRecipe(recipe) {
    const kept = Object.fromEntries([...SUBJECT, "probes"].map((field) => [field, this.values[field]]));
    this.put(choicesOf({ ...kept, ...choicesOf(recipe) }));
  }

  put(values) {
    if (JSON.stringify(values) === JSON.stringify(this.values)) return;
    this.values = values;
    localStorage.setItem(KEPT_UNDER, JSON.stringify(values));
    this.onChange();
  }
}

function choicesOf(values) {
  const isNothing = (value) => value === undefined || value === null || value === "" || (Array.isArray(value) && !value.length);
  return Object.fromEntries(Object.entries(values).filter(([, value]) => !isNothing(value)));
}

function kept() {
  try {
    return JSON.parse(localStorage.getItem(KEPT_UNDER)) ?? {};
  } catch {
    return {};
  }
}
