// One sample of the data as a person reads it.

import { element } from "./dom.js";

const SHOWN_CHARS = 600;

export function sampleView({ row, file, turns = [], prompt, completion, text }) {
  const parts = turns.map(({ role, content, is_trained: isTrained }) => [isTrained === false ? `${role}, not learned` : role, content, role]);
  if (!parts.length && (prompt || completion)) parts.push(["prompt", prompt, "user"], ["completion", completion, "assistant"]);
  if (!parts.length) parts.push(["text", text, "assistant"]);
  return element(
    "div",
    { class: "sample" },
    element("span", { class: "fine", text: [row ? `Row ${row}` : "", file].filter(Boolean).join(" · ") }),
    ...parts.map(([label, content, kind]) => element("p", { class: `turn ${kind}` }, element("span", { class: "turn-role", text: label }), element("span", { class: "turn-text", dir: "auto", text: shortened(content) }))),
  );
}

function shortened(text) {
  return text.length > SHOWN_CHARS ? `${text.slice(0, SHOWN_CHARS)} …` : text;
}
