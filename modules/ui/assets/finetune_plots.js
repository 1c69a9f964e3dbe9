// The curves of one run or of several: loss, learning rate, gradient norm, speed, memory; smooth or not, log scale or not.

import { element } from "./dom.js";
import { Chart } from "./finetune_chart.js";
import { lossText, rateText } from "./finetune_words.js";
import { bytesText, numberText } from "./words.js";

const SMOOTHING = 0.9;
// What is smooth by itself is drawn as it is.
const FIGURES = {
  learning_rate: { title: "Learning rate", write: rateText, canLog: false },
  gradient_norm: { title: "Gradient norm", write: rateText, isRough: true },
  tokens_per_second: { title: "Tokens/s", write: (value) => numberText(Math.round(value)), isRough: true },
  memory_bytes: { title: "Memory", write: bytesText, writeTick: (bytes) => (bytes >= 1e9 ? `${Number((bytes / 1e9).toFixed(3))} GB` : bytesText(bytes)) },
};

export class RunPlots {
  constructor() {
    this.runs = [];
    this.loss = new Chart({ title: "Loss", write: lossText, writeTick: String, isRough: true });
    this.others = Object.entries(FIGURES).map(([figure, how]) => [figure, new Chart(how)]);
    this.isSmooth = this.toggle("Smooth");
    this.isLog = this.toggle("Log scale");
    this.legend = element("p", { class: "plot-legend" });
    this.node = element(
      "section",
      { class: "run-plots", "aria-label": "Curves" },
      element("div", { class: "plots-head" }, this.legend, element("label", { class: "tool" }, this.isSmooth, "Smooth"), element("label", { class: "tool" }, this.isLog, "Log scale")),
      this.loss.node,
      element("div", { class: "small-charts" }, ...this.others.map(([, chart]) => chart.node)),
    );
    this.loss.node.classList.add("large");
  }

  toggle(label) {
    return element("input", { type: "checkbox", class: "switch", role: "switch", "aria-label": label, onchange: () => this.draw() });
  }

  // `runs` are metrics; several are told apart by their names.
  show(runs) {
    this.runs = runs;
    this.draw();
  }

  draw() {
    const { runs } = this;
    const isOne = runs.length === 1;
    const how = { isLog: this.isLog.checked, smoothing: this.isSmooth.checked ? SMOOTHING : 0 };
    const named = (metrics, what) => (isOne ? what : `${metrics.name}${what === "held out" ? ", held out" : ""}`);
    const curves = runs.flatMap((metrics, place) => [
      { name: named(metrics, "training"), points: metrics.curve("loss"), look: isOne ? 1 : place + 1 },
      { name: named(metrics, "held out"), points: metrics.evaluationCurve, look: isOne ? 2 : place + 1, isMarked: true },
    ]);
    this.loss.show(curves, how);
    for (const [figure, chart] of this.others) {
      chart.show(runs.map((metrics, place) => ({ name: isOne ? "" : metrics.name, points: metrics.curve(figure), look: place + 1 })), how);
    }
    const entries = isOne ? [["training", 1], ["held out", 2]] : runs.map((metrics, place) => [metrics.name, place + 1]);
    const text = JSON.stringify(entries);
    if (text === this.legendOf) return;
    this.legendOf = text;
    this.legend.replaceChildren(...entries.map(([name, look]) => element("span", { class: "legend-entry" }, element("span", { class: `legend-line look-${look}`, "aria-hidden": "true" }), element("bdi", { text: name }))));
  }
}
