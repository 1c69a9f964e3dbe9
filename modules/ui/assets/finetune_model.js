// Which model learns: those that can be trained, those that become trainable by a conversion, and why others cannot.

import { control } from "./control.js";
import { element } from "./dom.js";
import { button } from "./forms.js";
import { JobProgress } from "./finetune_jobs.js";
import { countText } from "./words.js";

export class ModelChoice {
  // `onChosen(model)` when a person chose one; `onModels` leads to where models come from.
  constructor({ toasts, draft, onChosen, onModels }) {
    Object.assign(this, { toasts, draft, onChosen, onModels });
    this.models = [];
    this.rows = element("div", { class: "tune-list", role: "radiogroup", "aria-label": "Model to teach" });
    this.error = element("p", { class: "form-error", role: "alert", hidden: true });
    this.empty = element(
      "div",
      { class: "tune-empty", hidden: true },
      element("p", { text: "There is no model here that can be taught yet." }),
      button("Get a model", onModels),
    );
    this.others = element("details", { class: "tune-details", hidden: true });
    this.node = element("div", { class: "tune-part" }, this.rows, this.empty, this.error, this.others);
  }

  get chosen() {
    return this.models.find((one) => one.id === this.draft.get("model"));
  }

  async look() {
    try {
      this.models = (await control("training/models")).models;
    } catch (error) {
      this.toasts.error(error);
      return;
    }
    this.show();
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
    const onchange = () => {
      this.tell("");
      this.draft.set({ model: model.id });
    };
    // Keys go from one to the next, so that only a pointer says that this is the one.
    const onclick = (event) => event.detail && this.onChosen(model);
    const input = element("input", { type: "radio", name: "finetune-model", value: model.id, checked: model.id === this.draft.get("model"), onchange });
    return element("label", { class: "tune-row", onclick }, input, element("span", { class: "tune-name", dir: "auto", text: model.title }), element("span", { class: "fine", text: sizeWords(model) }));
  }

  // The GGUF file stays; the folder made from it is what is taught.
  convertible(model) {
    const progress = new JobProgress(`Converting ${model.title}`);
    const start = button("Convert to train", () => this.convert(model, progress, start), "quiet-button", { "aria-label": `Convert ${model.title} to train it` });
    return element(
      "div",
      { class: "tune-row convertible" },
      element("span", { class: "tune-name", dir: "auto", text: model.title }),
      element("span", { class: "fine", text: [sizeWords(model), "a GGUF file, which becomes a folder first"].filter(Boolean).join(" · ") }),
      start,
      progress.node,
    );
  }

  async convert(model, progress, start) {
    start.disabled = true;
    this.tell("");
    const name = freeName(`${model.id.split("/").at(-1).replace(/\.gguf$/i, "")}-trainable`, this.models);
    try {
      const { job } = await control("training/convert", { model: model.id, name });
      await progress.follow(job);
      await this.look();
      const made = this.models.find((one) => one.is_trainable && one.id.split("/").at(-1) === name);
      if (!made) return;
      this.draft.set({ model: made.id });
      this.show();
      this.onChosen(made);
    } catch (error) {
      this.tell(error.message);
    } finally {
      start.disabled = false;
    }
  }

  tell(problem) {
    this.error.textContent = problem;
    this.error.hidden = !problem;
  }
}

function sizeWords({ parameters }) {
  return parameters ? `${countText(parameters)} parameters` : "";
}

function freeName(wanted, models) {
  const taken = new Set(models.map((one) => one.id.split("/").at(-1)));
  let name = wanted;
  for (let number = 2; taken.has(name); number += 1) name = `${wanted}-${number}`;
  return name;
}
