// Recipes by name, those that ship and the person's own: taken over, saved, deleted.

import { control } from "./control.js";
import { element } from "./dom.js";
import { SUBJECT } from "./finetune_draft.js";
import { Dialog, FormError, button, choiceOf, labelled } from "./forms.js";

const NAME_CHARS = 120;
const NONE = "";

export class Recipes {
  constructor({ toasts, draft }) {
    Object.assign(this, { toasts, draft });
    this.recipes = [];
    this.choice = choiceOf([], { onchange: () => this.choose() });
    this.description = element("p", { class: "fine" });
    this.saver = button("Save as a recipe …", () => this.askName());
    this.remover = button("Delete this recipe", () => this.remove(), "quiet-button", { hidden: true });
    this.name = element("input", { type: "text", class: "form-field", maxLength: NAME_CHARS, required: true });
    this.error = new FormError({ name: this.name });
    this.dialog = new Dialog(
      "Save as a recipe",
      element(
        "form",
        { class: "tune-part", onsubmit: (event) => (event.preventDefault(), this.save()) },
        labelled("Name", this.name, "It keeps how a model is taught, not from what: use it for other models and data."),
        this.error.node,
        element("div", { class: "dialog-buttons" }, button("Cancel", () => this.dialog.close()), element("button", { type: "submit", class: "strong-button", text: "Save" })),
      ),
    );
    this.node = element(
      "div",
      { class: "tune-part" },
      element("div", { class: "tune-recipes" }, labelled("Recipe", this.choice), this.saver, this.remover),
      this.description,
      this.dialog.node,
    );
  }

  async look(chosen = this.choice.value) {
    try {
      this.recipes = (await control("training/recipes")).recipes;
    } catch (error) {
      this.toasts.error(error);
      return;
    }
    const groups = [["Yours", this.recipes.filter((one) => !one.is_shipped)], ["Shipped", this.recipes.filter((one) => one.is_shipped)]];
    this.choice.replaceChildren(
      element("option", { value: NONE, text: "None: everything is chosen for you" }),
      ...groups.filter(([, some]) => some.length).map(([label, some]) => element("optgroup", { label }, ...some.map(({ name }) => element("option", { value: name, text: name })))),
    );
    this.choice.value = this.recipes.some((one) => one.name === chosen) ? chosen : NONE;
    this.showChosen();
  }

  get chosen() {
    return this.recipes.find((one) => one.name === this.choice.value);
  }

  choose() {
    this.draft.takeRecipe(this.chosen?.recipe ?? {});
    this.showChosen();
  }

  showChosen() {
    this.description.textContent = this.chosen?.problem || this.chosen?.description || "";
    this.description.classList.toggle("form-error", Boolean(this.chosen?.problem));
    this.description.hidden = !this.description.textContent;
    this.remover.hidden = !this.chosen || this.chosen.is_shipped;
  }

  askName() {
    this.error.clear();
    this.name.value = this.chosen && !this.chosen.is_shipped ? this.chosen.name : "";
    this.dialog.open();
    this.name.focus();
  }

  async save() {
    const name = this.name.value.trim();
    // What it is about is left open, so that it serves for other models and data.
    const recipe = Object.fromEntries(Object.entries(this.draft.recipe).filter(([field]) => !SUBJECT.includes(field)));
    try {
      await control("training/recipes/save", { name, recipe });
      this.dialog.close();
      await this.look(name);
    } catch (error) {
      this.error.show(error);
    }
  }

  async remove() {
    const { name, recipe } = this.chosen;
    try {
      await control("training/recipes/delete", { name });
      this.toasts.show(`The recipe ${name} was deleted.`, { action: "Undo", onAction: () => control("training/recipes/save", { name, recipe }).then(() => this.look(name), (error) => this.toasts.error(error)) });
    } catch (error) {
      this.toasts.error(error);
    }
    await this.look(NONE);
  }
}
