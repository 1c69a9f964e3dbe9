// Which model learns: those that can be trained, those that become trainable by a conversion, and why others cannot.

import { control } from "./control.js";
import { element } from "./dom.js";
import { button } from "./forms.js";
import { Conversion } from "./finetune_conversion.js";
import { countText } from "./words.js";

export class ModelChoice {
  // `onChosen()` when a person chose one; `onModels` leads to where models come from.
  constructor({ toasts, draft, onChosen, onModels }) {
    Object.assign(this, { toasts, draft, onChosen });
    this.models = [];
    // Kept while the list is made anew, so that their progress stays.
    this.conversions = new Map();
    this.rows = element("div", { class: "tune-list", role: "group", "aria-label": "Model to teach" });
    this.empty = element(
      "div",
      { class: "tune-empty", hidden: true },
      element("p", { text: "There is no model here that can be taught yet." }),
      button("Get a model", onModels),
    );
    this.others = element("details", { class: "tune-details", hidden: true });
    this.node = element("div", { class: "tune-part" }, this.rows, this.empty, this.others);
  }

  get chosen() {
    return this.models.find((one) => one.id === this.draft.get("model"));
  }

  async look() {
    try {
      this.models = (await control("training/models")).models;
      this.show();
      // A conversion that was begun before the page was opened, or in another tab, is followed as well.
      const { jobs } = await control("jobs");
      for (const conversion of this.conversions.values()) conversion.followIn(jobs);
    } catch (error) {
      this.toasts.error(error);
    }
  }

  show() {
    const usable = this.models.filter((one) => one.is_trainable || one.is_convertible);
    const others = this.models.filter((one) => !usable.includes(one));
    this.rows.replaceChildren(...usable.map((one) => (one.is_trainable ? this.trainable(one) : this.convertible(one))));
    this.empty.hidden = usable.length > 0;
    this.others.hidden = !others.length;
    this.others.replaceChildren(
      element("summary", { text: `${others.length} ${others.length === 1 ? "model" : "models"} that cannot be taught` }),
      element("ul", { class: "tune-reasons" }, ...others.map((one) => element("li", {}, element("bdi", { class: "tune-name", text: one.title }), ` ${one.reason}`))),
    );
  }

  trainable(model) {
    const onchange = () => this.draft.set({ model: model.id });
    // Keys go from one to the next, so that only a pointer says that this is the one.
    const onclick = (event) => event.detail && this.onChosen();
    const input = element("input", { type: "radio", name: "finetune-model", value: model.id, checked: model.id === this.draft.get("model"), onchange });
    return element("label", { class: "tune-row", onclick }, input, element("span", { class: "tune-name", dir: "auto", text: model.title }), element("span", { class: "fine", text: model.parameters ? `${countText(model.parameters)} parameters` : "" }));
  }

  convertible(model) {
    const made = this.models.find((one) => one.id === model.converted);
    if (made) return this.converted(model, made);
    if (!this.conversions.has(model.id)) {
      const taken = () => this.models.map((one) => one.id.split("/").at(-1));
      this.conversions.set(model.id, new Conversion({ model, taken, onDone: (name) => this.onConverted(name) }));
    }
    return this.conversions.get(model.id).node;
  }

  // What it became already is offered instead.
  converted(model, made) {
    const use = button(`Use ${made.title}`, () => this.choose(made), "quiet-button");
    return element("div", { class: "tune-row convertible" }, element("span", { class: "tune-name", dir: "auto", text: model.title }), element("span", { class: "fine", text: "a GGUF file, which was converted already" }), use);
  }

  async onConverted(name) {
    await this.look();
    const made = this.models.find((one) => one.is_trainable && one.id.split("/").at(-1) === name);
    if (made) this.choose(made);
  }

  choose(model) {
    this.draft.set({ model: model.id });
    this.show();
    this.onChosen();
  }
}
