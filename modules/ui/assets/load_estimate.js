// What a model will need and give, told before it is loaded.

import { element } from "./dom.js";
import { bandText, bytesText, counted, numberText, speedNumber } from "./words.js";

export const FITS = { gpu: "Fits on the GPU", partly: "Fits partly on the GPU", cpu: "Runs on the CPU", no: "Does not fit" };
const PARTS = { weights: "Weights", cache: "Context", compute: "Buffers" };

export class EstimateView {
  constructor() {
    this.node = element("div", { class: "estimate", role: "status", "aria-label": "Estimate" });
  }

  // What stands there stays, paler, until the answer comes.
  wait() {
    this.node.classList.add("waiting");
    if (!this.node.firstChild) this.node.replaceChildren(element("p", { class: "fine", text: "Estimating…" }));
  }

  fail(message) {
    this.node.classList.remove("waiting");
    this.node.replaceChildren(element("p", { class: "fine", text: message }));
  }

  show(estimate) {
    this.node.classList.remove("waiting");
    const { fit, memory, speed, free_bytes: free, note } = estimate;
    const line = (name, text) => element("p", { class: "estimate-line" }, element("span", { class: "fine", text: name }), element("span", { text }));
    this.node.replaceChildren(
      element("p", { class: `fit ${fit}`, text: FITS[fit] }),
      line("Memory", bandText(memory, bytesText)),
      partsBar(estimate),
      partsLegend(estimate),
      line("Free now", bytesText(free)),
      line("Speed", speed ? `${bandText(speed, speedNumber)} tokens/s` : "not known yet"),
      ...(estimate.context_length ? [line("Context", contextLine(estimate))] : []),
      ...(note ? [element("p", { class: "fine", text: note })] : []),
    );
  }
}

// As wide as what is free; where more is needed, a mark shows how far that reaches.
function partsBar({ parts, memory, free_bytes: free }) {
  const whole = Math.max(free, memory.value, 1);
  const piece = (name) => element("span", { class: `part ${name}`, style: `width: ${(100 * parts[name]) / whole}%` });
  const bar = element("div", { class: "parts-bar", "aria-hidden": "true" }, ...Object.keys(PARTS).map(piece));
  if (memory.value > free) bar.append(element("span", { class: "free-mark", style: `left: ${(100 * free) / whole}%` }));
  return bar;
}

function partsLegend({ parts }) {
  const shown = Object.keys(PARTS).filter((name) => parts[name]);
  return element(
    "ul",
    { class: "parts-legend" },
    ...shown.map((name) => element("li", {}, element("span", { class: `part ${name}`, "aria-hidden": "true" }), `${PARTS[name]} ${bytesText(parts[name])}`)),
  );
}

function contextLine({ context_length: context, slots }) {
  const text = `${numberText(context)} tokens`;
  return slots > 1 ? `${text} for each of ${counted(slots, "request")} at once` : text;
}
