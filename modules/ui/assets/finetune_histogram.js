// How many samples have which length, as bars; a line where they are cut.

import { drawing } from "./dom.js";
import { numberText } from "./words.js";

const [WIDTH, HEIGHT, FOOT] = [640, 120, 20];

export function histogram(bins, limit) {
  const most = Math.max(...bins.map((one) => one.count));
  const [start, end] = [bins[0].start, bins.at(-1).end];
  const place = (tokens) => ((tokens - start) / Math.max(1, end - start)) * WIDTH;
  const bars = bins.map((bin) => {
    const height = bin.count ? Math.max(2, (bin.count / most) * (HEIGHT - 10)) : 0;
    const bar = drawing("rect", { class: "bar", x: place(bin.start) + 1, y: HEIGHT - height, width: Math.max(1, place(bin.end) - place(bin.start) - 2), height, rx: 2 });
    const title = drawing("title");
    title.textContent = `${numberText(bin.count)} samples of ${numberText(bin.start)} to ${numberText(bin.end - 1)} tokens`;
    bar.append(title);
    return bar;
  });
  const isCut = limit && limit > start && limit < end;
  const words = `Most samples have ${rangeOf(bins, most)} tokens; the longest fewer than ${numberText(end)}.`;
  return drawing(
    "svg",
    { class: "histogram", viewBox: `0 0 ${WIDTH} ${HEIGHT + FOOT}`, role: "img", "aria-label": words },
    ...bars,
    drawing("line", { class: "axis", x1: 0, x2: WIDTH, y1: HEIGHT, y2: HEIGHT }),
    isCut ? drawing("line", { class: "limit", x1: place(limit), x2: place(limit), y1: 0, y2: HEIGHT }) : null,
    label(0, "start", numberText(start)),
    isCut ? label(place(limit), "middle", `cut at ${numberText(limit)}`) : null,
    label(WIDTH, "end", numberText(end)),
  );
}

function label(x, anchor, text) {
  const made = drawing("text", { x, y: HEIGHT + FOOT - 4, "text-anchor": anchor });
  made.textContent = text;
  return made;
}

function rangeOf(bins, most) {
  const { start, end } = bins.find((one) => one.count === most);
  return `${numberText(start)} to ${numberText(end - 1)}`;
}
