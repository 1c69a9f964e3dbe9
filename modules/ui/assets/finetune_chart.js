// A chart of curves over steps, drawn anew when its data or its width changes; a pointer or the arrow keys read values.

import { drawing, element } from "./dom.js";
import { smoothed, ticksOf, logTicksOf } from "./finetune_scale.js";
import { numberText } from "./words.js";

const HEIGHT = 190;
const MARGIN = { left: 58, right: 12, top: 10, bottom: 24 };
const KEY_STEPS = { ArrowLeft: -1, ArrowRight: 1, PageDown: -10, PageUp: 10, Home: -Infinity, End: Infinity };

export class Chart {
  // `write(value)` gives a value in words. `canLog` where the values are never zero, `isRough` where smoothing helps.
  constructor({ title, write, writeTick = write, canLog = true, isRough = false }) {
    Object.assign(this, { write, writeTick, canLog, isRough });
    this.curves = [];
    this.how = {};
    this.readout = element("span", { class: "chart-readout" });
    this.plot = drawing("svg", { class: "plot", tabindex: "0", role: "slider", "aria-label": `${title} by step` });
    this.node = element("figure", { class: "run-chart" }, element("figcaption", {}, element("span", { class: "chart-name", text: title }), this.readout), this.plot);
    this.plot.addEventListener("pointermove", (event) => this.point(event));
    this.plot.addEventListener("pointerleave", () => this.read(null));
    this.plot.addEventListener("blur", () => this.read(null));
    this.plot.addEventListener("keydown", (event) => this.onKey(event));
    new ResizeObserver(() => this.draw()).observe(this.node);
  }

  // Curves are `{name, points: [[step, value]], look}`; `look` counts from 1 and is a colour with a way of dashing.
  show(curves, { isLog = false, smoothing = 0 } = {}) {
    this.curves = curves.map((one) => ({ ...one, points: one.points.filter(([, value]) => Number.isFinite(value)) })).filter((one) => one.points.length);
    this.how = { isLog: isLog && this.canLog, smoothing: this.isRough ? smoothing : 0 };
    this.draw();
  }

  draw() {
    const width = this.node.clientWidth;
    if (!width) return;
    this.plot.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    this.plot.setAttribute("height", HEIGHT);
    if (!this.curves.length) {
      this.plot.replaceChildren(words(width / 2, HEIGHT / 2, "middle", "Nothing yet"));
      this.readout.textContent = "";
      return;
    }
    this.measure(width);
    this.cursor = drawing("g", { class: "cursor" });
    this.plot.replaceChildren(...this.axes(width), ...this.curves.flatMap((one) => this.curveOf(one)), this.cursor);
    this.read(this.at ?? null);
  }

  // The places of steps and values on the drawing.
  measure(width) {
    const points = this.curves.flatMap((one) => one.points);
    const { isLog } = this.how;
    const values = points.map(([, value]) => value).filter((value) => !isLog || value > 0);
    const steps = points.map(([step]) => step);
    const scaled = isLog ? Math.log10 : (value) => value;
    const [low, high] = padded(scaled(min(values)), scaled(max(values)), isLog);
    const [first, last] = [Math.min(0, min(steps)), Math.max(1, max(steps))];
    this.x = (step) => MARGIN.left + ((step - first) / (last - first)) * (width - MARGIN.left - MARGIN.right);
    this.y = (value) => HEIGHT - MARGIN.bottom - ((scaled(Math.max(value, isLog ? 1e-300 : value)) - low) / (high - low)) * (HEIGHT - MARGIN.top - MARGIN.bottom);
    this.ticks = isLog ? logTicksOf(10 ** low, 10 ** high) : ticksOf(low, high, 4);
    this.stepTicks = ticksOf(first, last, Math.max(2, Math.floor(width / 110))).filter(Number.isInteger);
    this.steps = [...new Set(steps)].sort((a, b) => a - b);
  }

  axes(width) {
    const lines = this.ticks.flatMap((value) => [
      drawing("line", { class: "grid", x1: MARGIN.left, x2: width - MARGIN.right, y1: this.y(value), y2: this.y(value) }),
      words(MARGIN.left - 6, this.y(value) + 4, "end", this.writeTick(value)),
    ]);
    const steps = this.stepTicks.map((step) => words(this.x(step), HEIGHT - 6, "middle", numberText(step)));
    return [...lines, ...steps];
  }

  curveOf({ points, look, isMarked }) {
    const { smoothing } = this.how;
    const path = (some, kind) => drawing("path", { class: `curve look-${look} ${kind}`, d: pathOf(thinned(some), this.x, this.y) });
    const marks = isMarked || points.length === 1 ? points.map(([step, value]) => drawing("circle", { class: `point look-${look}`, cx: this.x(step), cy: this.y(value), r: 3 })) : [];
    if (!smoothing || isMarked) return [path(points, ""), ...marks];
    return [path(points, "raw"), path(smoothed(points, smoothing), ""), ...marks];
  }

  // --- reading values ---

  point(event) {
    if (!this.steps) return;
    const box = this.plot.getBoundingClientRect();
    const x = event.clientX - box.left;
    this.read(this.steps.reduce((best, step) => (Math.abs(this.x(step) - x) < Math.abs(this.x(best) - x) ? step : best), this.steps[0]));
  }

  onKey(event) {
    if (!(event.key in KEY_STEPS) || !this.steps) return;
    event.preventDefault();
    const place = this.steps.indexOf(this.at ?? this.steps.at(-1)) + KEY_STEPS[event.key];
    this.read(this.steps[Math.max(0, Math.min(place, this.steps.length - 1))]);
  }

  // Null is the newest of each, without a cursor.
  read(step) {
    this.at = step;
    if (!this.cursor || !this.curves.length) return;
    const shown = this.curves.map((one) => ({ ...one, found: step === null ? one.points.at(-1) : nearest(one.points, step) }));
    const said = shown.map(({ name, found }) => [name, this.write(found[1])].filter(Boolean).join(" "));
    const text = [step === null ? "" : `step ${numberText(step)}`, ...said].filter(Boolean).join(" · ");
    this.readout.textContent = text;
    this.plot.setAttribute("aria-valuemin", this.steps[0]);
    this.plot.setAttribute("aria-valuemax", this.steps.at(-1));
    this.plot.setAttribute("aria-valuenow", step ?? this.steps.at(-1));
    this.plot.setAttribute("aria-valuetext", text);
    if (step === null) {
      this.cursor.replaceChildren();
      return;
    }
    const dots = shown.map(({ look, found }) => drawing("circle", { class: `point look-${look}`, cx: this.x(found[0]), cy: this.y(found[1]), r: 4 }));
    this.cursor.replaceChildren(drawing("line", { x1: this.x(step), x2: this.x(step), y1: MARGIN.top, y2: HEIGHT - MARGIN.bottom }), ...dots);
  }
}

function words(x, y, anchor, text) {
  const made = drawing("text", { x, y, "text-anchor": anchor });
  made.textContent = text;
  return made;
}

// Long curves are drawn by the means of neighbours: a screen has no more places.
function thinned(points, most = 600) {
  if (points.length <= most) return points;
  const size = Math.ceil(points.length / most);
  const groups = Array.from({ length: Math.ceil(points.length / size) }, (_, place) => points.slice(place * size, (place + 1) * size));
  return groups.map((group) => [group.at(-1)[0], group.reduce((sum, [, value]) => sum + value, 0) / group.length]);
}

function pathOf(points, x, y) {
  return points.map(([step, value], place) => `${place ? "L" : "M"}${x(step).toFixed(1)} ${y(value).toFixed(1)}`).join("");
}

function nearest(points, step) {
  return points.reduce((best, one) => (Math.abs(one[0] - step) < Math.abs(best[0] - step) ? one : best), points[0]);
}

// Room above and below; a curve that is flat stands in the middle.
function padded(low, high, isLog) {
  const room = (high - low) * 0.06 || Math.abs(high) * 0.1 || (isLog ? 0.1 : 1);
  return [low >= 0 && !isLog ? Math.max(0, low - room) : low - room, high + room];
}

function min(values) {
  return values.reduce((least, value) => Math.min(least, value), Infinity);
}

function max(values) {
  return values.reduce((most, value) => Math.max(most, value), -Infinity);
}
