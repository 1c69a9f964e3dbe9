// How many samples have which length, as bars; a line where they are cut.

import { drawing, element } from "./dom.js";
import { numberText } from "./words.js";

const [WIDTH, HEIGHT] = [600, 100];
const LEAST_HEIGHT = 2;

export function histogram(bins, limit) {
  const most = Math.max(...bins.map((one) => one.count));
  const [start, end] = [bins[0].start, bins.at(-1).end];
  const place = (tokens) => ((tokens - start) / Math.max(1, end - start)) * WIDTH;
  const bars = bins.map((bin) => {
    const height = bin.count ? Math.max(LEAST_HEIGHT, (bin.count / most) * HEIGHT) : 0;
    const title = drawing("title");
    title.textContent = `${numberText(bin.count)} samples of ${tokensOf(bin)} tokens`;
    return drawing("rect", { class: "bar", x: place(bin.start) + 1, y: HEIGHT - height, width: Math.max(1, place(bin.end) - place(bin.start) - 2), height }, title);
  });
  const isCut = limit > start && limit < end;
  const cut = isCut ? drawing("line", { class: "limit", x1: place(limit), x2: place(limit), y1: 0, y2: HEIGHT }) : null;
  const words = `Most samples have ${tokensOf(bins.find((one) => one.count === most))} tokens, the longest fewer than ${numberText(end)}.`;
  return element(
    "div",
    {},
    drawing("svg", { class: "histogram", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": words }, ...bars, drawing("line", { class: "axis", x1: 0, x2: WIDTH, y1: HEIGHT, y2: HEIGHT }), cut),
    element("div", { class: "histogram-labels" }, ...[numberText(start), isCut ? `the line: cut at ${numberText(limit)}` : "", numberText(end)].map((text) => element("span", { text }))),
  );
}

function tokensOf({ start, end }) {
  return end - start > 1 ? `${numberText(start)} to ${numberText(end - 1)}` : numberText(start);
}
