// What a run will do, told before it starts: lengths, what is left out, memory and time, and what stands against it.

import { element } from "./dom.js";
import { button } from "./forms.js";
import { histogram } from "./finetune_histogram.js";
import { folded } from "./finetune_look.js";
import { SUBJECT } from "./finetune_draft.js";
import { speedText } from "./finetune_words.js";
import { bytesText, durationText, numberText } from "./words.js";

export class PlanView {
  constructor({ draft }) {
    this.draft = draft;
    this.node = element("div", { class: "tune-plan" });
  }

  show(plan) {
    this.node.classList.remove("outdated");
    this.node.replaceChildren(...(plan ? this.parts(plan) : []));
  }

  // It is of what was chosen before; what is chosen now cannot be planned.
  outdate() {
    if (this.node.classList.contains("outdated")) return;
    this.node.classList.add("outdated");
    this.node.prepend(element("p", { class: "fine", text: "What follows is the plan from before the last change." }));
  }

  parts({ recipe, facts, prediction, warnings, refusal, remedies, held_out: heldOut }) {
    const share = facts.tokens ? Math.round((100 * facts.trained_tokens) / facts.tokens) : 0;
    return [
      refusal ? this.refusal(refusal, remedies, recipe) : null,
      element(
        "dl",
        { class: "figures" },
        figure("Time", prediction.seconds === null ? "not known yet" : `about ${durationText(prediction.seconds)}`, `${numberText(prediction.steps)} steps`),
        memoryFigure(prediction),
        figure("Samples", numberText(facts.samples), [`${numberText(facts.tokens)} tokens`, heldOut ? `${numberText(heldOut)} held out to judge by` : ""].filter(Boolean).join(", ")),
        figure("Learned", `${share} %`, `${numberText(facts.trained_tokens)} tokens`),
        figure("Longest", numberText(facts.longest), `half have at most ${numberText(facts.median)} tokens`),
        prediction.tokens_per_second ? figure("Speed", speedText(prediction.tokens_per_second), prediction.disk_bytes ? `${bytesText(prediction.disk_bytes)} on the disk` : "") : null,
      ),
      ...facts.flags.map((flag) => notice([flagPlace(flag), flag.message].filter(Boolean).join(": "), "flag")),
      ...warnings.map((words) => notice(words, "warning")),
      facts.histogram.length ? element("div", {}, element("h3", { text: "Lengths in tokens" }), histogram(facts.histogram, recipe.max_length)) : null,
      facts.truncated_count ? folded(counts(facts.truncated_count, "is cut", "are cut"), facts.truncated.map(([row, cut]) => element("li", { text: `Row ${row} loses ${numberText(cut)} tokens at its end.` })), facts.truncated_count) : null,
      facts.dropped_count ? folded(counts(facts.dropped_count, "is left out", "are left out"), facts.dropped.map(([row, reason]) => element("li", { text: `Row ${row}: ${reason}` })), facts.dropped_count) : null,
    ].filter(Boolean);
  }

  refusal(words, remedies, recipe) {
    return element(
      "div",
      { class: "refusal", role: "alert" },
      element("p", { text: words }),
      remedies.length ? element("ul", { class: "remedies" }, ...remedies.map((text) => this.remedy(text, changesIn(text, recipe)))) : null,
    );
  }

  remedy(text, changes) {
    const apply = Object.keys(changes).length ? button("Do this", () => this.draft.set(changes), "quiet-button", { "aria-label": `Do this: ${text}` }) : null;
    return element("li", {}, element("span", { text }), apply);
  }
}

// What a remedy says to change: each field of the recipe that it names with a value, as "max_length 1,024".
function changesIn(remedy, recipe) {
  const fields = Object.keys(recipe).filter((field) => !SUBJECT.includes(field));
  const named = new RegExp(`\\b(${fields.join("|")}) (on|off|\\d[\\d,.]*\\d|\\d|[a-z][a-z0-9_]*)`, "g");
  return Object.fromEntries([...remedy.matchAll(named)].map(([, field, value]) => [field, valueOf(value)]));
}

function valueOf(word) {
  if (word === "on" || word === "off") return word === "on";
  return /^\d/.test(word) ? Number(word.replaceAll(",", "")) : word;
}

function figure(name, value, detail) {
  return element("div", { class: "figure" }, element("dt", { text: name }), element("dd", { class: "figure-value", text: value }), element("dd", { class: "fine", text: detail }));
}

// The bar says what of the free memory the run will take.
function memoryFigure({ memory_bytes: needed, available_bytes: free }) {
  const made = figure("Memory", `about ${bytesText(needed)}`, free ? `of ${bytesText(free)} that are free` : "");
  if (!free) return made;
  const bar = element("meter", { min: 0, max: 1, value: Math.min(1, needed / free), high: 0.9, "aria-label": "Share of the free memory" });
  made.append(element("dd", {}, bar));
  return made;
}

// Which samples it concerns; empty where it is all of them.
function flagPlace({ row, count }) {
  if (!row) return "";
  return count > 1 ? `Row ${numberText(row)} and ${numberText(count - 1)} more` : `Row ${numberText(row)}`;
}

function notice(text, kind) {
  return element("p", { class: `tune-notice ${kind}` }, element("span", { class: "notice-word", text: kind === "flag" ? "Look at this" : "Note" }), element("span", { dir: "auto", text }));
}

function counts(count, one, many) {
  return `${numberText(count)} ${count === 1 ? `sample ${one}` : `samples ${many}`}`;
}
