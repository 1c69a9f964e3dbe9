// The runs there are, with their states: opened, or several ticked to be compared.

import { control } from "./control.js";
import { element } from "./dom.js";
import { button } from "./forms.js";
import { METHOD_NAMES, STATES, lossText, sourceText } from "./finetune_words.js";
import { agoText, durationText, numberText } from "./words.js";

const POLL_MS = 2000;
// Another tab may begin one.
const REST_MS = 10000;
const ACTIVE = ["queued", "running"];
const LEAST_COMPARED = 2;
const MOST_COMPARED = 6;

export class TrainingRuns {
  constructor({ toasts, onOpen, onCompare }) {
    Object.assign(this, { toasts, onOpen, onCompare });
    this.runs = [];
    this.ticked = new Set();
    this.list = element("ul", { class: "tune-list runs-list", "aria-label": "Finetuning runs" });
    this.comparer = button("Compare", () => onCompare([...this.ticked]), "quiet-button", { hidden: true });
    this.node = element("section", { class: "tune-part", hidden: true }, element("div", { class: "tune-head" }, element("h2", { text: "Runs" }), this.comparer), this.list);
  }

  get names() {
    return this.runs.map((one) => one.name);
  }

  follow() {
    this.isShown = true;
    return this.look();
  }

  leave() {
    this.isShown = false;
    clearTimeout(this.timer);
  }

  // Goes on asking while the list is in sight, seldom where none is at work or the browser shows something else.
  async look() {
    clearTimeout(this.timer);
    try {
      this.take((await control("training/runs")).runs);
    } catch (error) {
      this.toasts.error(error);
    }
    const isLively = !document.hidden && this.runs.some((one) => ACTIVE.includes(one.state));
    if (this.isShown) this.timer = setTimeout(() => this.look(), isLively ? POLL_MS : REST_MS);
  }

  take(runs) {
    const shown = JSON.stringify(runs.map((one) => rowWords(one)));
    this.runs = runs;
    this.node.hidden = !runs.length;
    this.ticked = new Set([...this.ticked].filter((name) => this.names.includes(name)));
    this.showComparer();
    if (shown === this.shown) return;
    this.shown = shown;
    // A row that has the focus keeps it when the list is made anew.
    const focused = this.list.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    this.list.replaceChildren(...runs.map((one) => this.row(one)));
    if (focused) this.list.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
  }

  row(run) {
    const { name, state, step, total_steps: total } = run;
    const [detail, figures] = rowWords(run);
    const tick = element("input", { type: "checkbox", checked: this.ticked.has(name), "data-key": `tick ${name}`, "aria-label": `Compare ${name}`, hidden: this.runs.length < LEAST_COMPARED, onchange: () => this.tick(name, tick.checked) });
    return element(
      "li",
      { class: "tune-row" },
      tick,
      element(
        "button",
        { type: "button", class: "run-link", "data-key": `open ${name}`, onclick: () => this.onOpen(name) },
        element("span", { class: "tune-name", dir: "auto", text: name }),
        element("span", { class: `mark state ${state}`, text: STATES[state] }),
        element("span", { class: "fine run-detail", text: detail }),
        element("span", { class: "fine run-figures", text: figures }),
        state === "running" ? element("progress", { max: 1, value: total ? step / total : 0, "aria-label": `${name}, progress` }) : null,
      ),
    );
  }

  tick(name, isTicked) {
    if (isTicked) this.ticked.add(name);
    else this.ticked.delete(name);
    this.showComparer();
  }

  showComparer() {
    this.comparer.hidden = this.ticked.size < LEAST_COMPARED;
    this.comparer.disabled = this.ticked.size > MOST_COMPARED;
    this.comparer.textContent = this.ticked.size > MOST_COMPARED ? `At most ${MOST_COMPARED} at once` : `Compare ${this.ticked.size}`;
  }
}

function rowWords(run) {
  const { state, model, method, recipe, created, step, total_steps: total, evaluation_loss: judged, loss, seconds_left: left, place_in_queue: place, mark } = run;
  const detail = [model, METHOD_NAMES[method] ?? method, sourceText(recipe?.data), agoText(created)].filter(Boolean).join(" · ");
  const figures = [mark || (total ? `step ${numberText(step)} of ${numberText(total)}` : ""), judged !== null ? `held-out loss ${lossText(judged)}` : loss !== null ? `loss ${lossText(loss)}` : ""];
  if (state === "running" && left) figures.push(`${durationText(left)} left`);
  if (state === "queued" && place) figures.push(`number ${place} in the queue`);
  return [detail, figures.filter(Boolean).join(" · "), state];
}
