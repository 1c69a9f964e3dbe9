// What a template gave: a text while it is written, JSON, or labels with their probabilities.

import { control, controlFrames } from "./control.js";
import { copyText, element } from "./dom.js";
import { button } from "./forms.js";

const ENDINGS = { length: "ended at its longest length", stop: "" };

export class TemplateResult {
  // `onEnd` after a run has ended, however it did.
  constructor({ toasts, onEnd }) {
    Object.assign(this, { toasts, onEnd });
    this.text = element("div", { class: "result-text", dir: "auto" });
    this.facts = element("span", { class: "fine" });
    this.copy = button("Copy", () => this.copyResult());
    this.node = element(
      "section",
      { class: "template-result", "aria-label": "Result", hidden: true },
      this.text,
      element("div", { class: "result-foot" }, this.copy, this.facts),
    );
  }

  get isRunning() {
    return this.stopper !== undefined;
  }

  // Raises what the program refuses.
  async run(template, body) {
    this.stopper = new AbortController();
    this.node.hidden = false;
    this.text.replaceChildren();
    this.copy.hidden = true;
    this.facts.textContent = "Asking the model …";
    this.node.scrollIntoView({ block: "nearest" });
    this.text.classList.toggle("code-field", template.output === "json");
    try {
      if (template.output === "labels") this.showLabels(await control("prompts/run", body, { signal: this.stopper.signal }));
      else await this.follow(body);
    } catch (error) {
      if (error.name !== "AbortError") {
        this.node.hidden = !this.text.textContent;
        throw error;
      }
      this.facts.textContent = "Stopped";
    } finally {
      this.copy.hidden = !this.text.textContent;
      this.stopper = undefined;
      this.onEnd();
    }
  }

  stop() {
    this.stopper?.abort();
  }

  clear() {
    this.stop();
    this.node.hidden = true;
  }

  async follow(body) {
    const reply = document.createTextNode("");
    this.text.append(reply);
    const onFrame = (frame) => {
      if (frame.text) reply.appendData(frame.text);
      if (frame.finish_reason) this.facts.textContent = factsText(frame);
    };
    await controlFrames("prompts/run", { ...body, stream: true }, { signal: this.stopper.signal, onFrame });
  }

  showLabels({ labels, covered }) {
    this.text.replaceChildren(element("ul", { class: "label-bars" }, ...labels.map(labelBar)));
    this.node.scrollIntoView({ block: "nearest" });
    this.facts.textContent = `The model would answer with one of these ${percent(covered)} of the time.`;
  }

  async copyResult() {
    await copyText(this.text.innerText);
    this.toasts.show("Copied.");
  }
}

function labelBar({ label, probability }) {
  const fill = element("div");
  fill.style.width = `${100 * probability}%`;
  const bar = element("div", { class: "bar", role: "meter", "aria-label": label, "aria-valuenow": probability, "aria-valuemin": 0, "aria-valuemax": 1 }, fill);
  return element(
    "li",
    { class: "label-bar" },
    element("span", { class: "label-name", dir: "auto", text: label }),
    bar,
    element("span", { class: "label-share", text: percent(probability) }),
  );
}

function percent(share) {
  const number = share * 100;
  return `${number >= 10 || number === 0 ? Math.round(number) : number.toPrecision(2)} %`;
}

function factsText({ finish_reason: reason, usage, tokens_per_second: speed }) {
  const words = [`${usage.completion_tokens} tokens`, speed ? `${speed.toFixed(1)} tokens/s` : "", ENDINGS[reason] ?? reason];
  return words.filter(Boolean).join(" · ");
}
