// Several runs over each other: curves, what differs between their recipes, and their final figures.

import { control } from "./control.js";
import { element, icon } from "./dom.js";
import { RunMetrics } from "./finetune_metrics.js";
import { RunPlots } from "./finetune_plots.js";
import { METHOD_NAMES, STATES, lossText, speedText, titleOf, valueText } from "./finetune_words.js";
import { bytesText, durationText, numberText } from "./words.js";

const POLL_MS = 2000;
const ACTIVE = ["queued", "running"];
const NAMED_ELSEWHERE = ["name", "probes"];

export class RunComparison {
  constructor({ toasts, onBack }) {
    this.toasts = toasts;
    this.names = [];
    this.plots = new RunPlots();
    this.figures = element("div", { class: "table-frame" });
    this.differences = element("div", { class: "table-frame" });
    this.heading = element("h1", { tabIndex: -1, text: "Compare runs" });
    this.node = element(
      "div",
      { class: "tune-run", hidden: true },
      element("button", { type: "button", class: "back", onclick: onBack }, icon("left"), "All runs"),
      this.heading,
      this.plots.node,
      element("h2", { text: "Figures" }),
      this.figures,
      element("h2", { text: "What differs in their recipes" }),
      this.differences,
    );
  }

  open(names) {
    if (JSON.stringify(names) === JSON.stringify(this.names)) return;
    this.names = names;
    this.metrics = names.map((name) => new RunMetrics(name));
    this.plots.show(this.metrics);
  }

  follow() {
    this.isShown = true;
    return this.look();
  }

  leave() {
    this.isShown = false;
    clearTimeout(this.timer);
  }

  focus() {
    this.heading.focus();
  }

  async look() {
    clearTimeout(this.timer);
    if (!this.names.length) return;
    const { names, metrics } = this;
    try {
      const told = await Promise.all(names.map((name) => control(`training/runs/${encodeURIComponent(name)}`)));
      const news = await Promise.all(metrics.map((one) => one.look()));
      if (names !== this.names) return;
      if (news.some(Boolean)) this.plots.show(metrics);
      this.show(told.map(({ run }) => run));
    } catch (error) {
      this.toasts.error(error);
      return;
    }
    if (this.isShown && this.isAtWork) this.timer = setTimeout(() => (document.hidden ? null : this.look()), POLL_MS);
  }

  show(runs) {
    this.isAtWork = runs.some((one) => ACTIVE.includes(one.state));
    this.figures.replaceChildren(table(runs, FIGURES.map(([title, write]) => [title, runs.map(write)])));
    const fields = [...new Set(runs.flatMap((one) => Object.keys(one.recipe)))].filter((field) => !NAMED_ELSEWHERE.includes(field));
    const different = fields.filter((field) => new Set(runs.map((one) => JSON.stringify(one.recipe[field] ?? null))).size > 1);
    this.differences.replaceChildren(
      different.length ? table(runs, different.map((field) => [titleOf(field), runs.map((one) => valueText(one.recipe[field]))])) : element("p", { class: "fine", text: "Nothing but their names." }),
    );
  }
}

const FIGURES = [
  ["State", (run) => STATES[run.state]],
  ["Method", (run) => METHOD_NAMES[run.method] ?? run.method],
  ["Steps", (run) => `${numberText(run.step)} of ${numberText(run.total_steps)}`],
  ["Loss", (run) => lossText(run.loss)],
  ["Held-out loss before", (run) => lossText(run.first_evaluation_loss)],
  ["Held-out loss", (run) => lossText(run.evaluation_loss)],
  ["Best held-out loss", (run) => (run.best_evaluation_loss === null ? "–" : `${lossText(run.best_evaluation_loss)} at step ${numberText(run.best_step)}`)],
  ["Time", (run) => (run.seconds ? durationText(run.seconds) : "–")],
  ["Speed", (run) => (run.tokens_per_second ? speedText(run.tokens_per_second) : "–")],
  ["Memory", (run) => (run.peak_memory_bytes ? bytesText(run.peak_memory_bytes) : "–")],
];

function table(runs, rows) {
  const heads = runs.map(({ name }, place) => element("th", { scope: "col" }, element("span", { class: `legend-line look-${place + 1}`, "aria-hidden": "true" }), element("bdi", { text: name })));
  return element(
    "table",
    { class: "tune-table" },
    element("thead", {}, element("tr", {}, element("td"), ...heads)),
    element("tbody", {}, ...rows.map(([title, cells]) => element("tr", {}, element("th", { scope: "row", text: title }), ...cells.map((text) => element("td", { text }))))),
  );
}
