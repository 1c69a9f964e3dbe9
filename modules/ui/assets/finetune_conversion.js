// A GGUF model on its way to a folder that can be trained; the file itself stays.

import { control } from "./control.js";
import { element } from "./dom.js";
import { FormError, button } from "./forms.js";
import { JobProgress } from "./finetune_jobs.js";
import { countText } from "./words.js";

export class Conversion {
  // `taken()` are the names of models there are; `onDone(name)` when the folder is there.
  constructor({ model, taken, onDone }) {
    Object.assign(this, { model, taken, onDone });
    const facts = [model.parameters ? `${countText(model.parameters)} parameters` : "", "a GGUF file, which becomes a folder first"];
    this.button = button("Convert to train", () => this.start(), "quiet-button", { "aria-label": `Convert ${model.title} to train it` });
    this.progress = new JobProgress(`Converting ${model.title}`);
    this.error = new FormError();
    this.node = element(
      "div",
      { class: "tune-row convertible" },
      element("span", { class: "tune-name", dir: "auto", text: model.title }),
      element("span", { class: "fine", text: facts.filter(Boolean).join(" · ") }),
      this.button,
      this.progress.node,
      this.error.node,
    );
  }

  async start() {
    this.button.disabled = true;
    this.error.clear();
    const name = freeName(`${this.model.id.split("/").at(-1).replace(/\.gguf$/i, "")}-trainable`, this.taken());
    try {
      const { job } = await control("training/convert", { model: this.model.id, name });
      await this.follow(job, name);
    } catch (error) {
      this.error.show(error);
      this.button.disabled = false;
    }
  }

  // Its own job among those that run, by its name, which ends with that of the folder.
  followIn(jobs) {
    const beginning = `convert ${this.model.id} to `;
    const job = jobs.find((one) => one.state === "running" && one.name.startsWith(beginning));
    if (job && !this.button.disabled) this.follow(job, job.name.slice(beginning.length));
  }

  async follow(job, name) {
    this.button.disabled = true;
    try {
      if (await this.progress.follow(job)) await this.onDone(name);
    } catch (error) {
      this.error.show(error);
    } finally {
      this.button.disabled = false;
    }
  }
}

function freeName(wanted, taken) {
  let name = wanted;
  for (let number = 2; taken.includes(name); number += 1) name = `${wanted}-${number}`;
  return name;
}
