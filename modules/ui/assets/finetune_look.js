// What was recognised in the data, to be corrected: format, columns, the first samples, problems by row and column.

import { control } from "./control.js";
import { element } from "./dom.js";
import { FormError, choiceOf, labelled } from "./forms.js";
import { JobProgress } from "./finetune_jobs.js";
import { FORMATS, sourceText } from "./finetune_words.js";
import { sampleView } from "./finetune_sample.js";
import { numberText } from "./words.js";

// The columns that each format reads; those in brackets may be missing.
const ROLES = {
  messages: [["messages", "Messages"]],
  sharegpt: [["messages", "Conversation"]],
  alpaca: [["instruction", "Instruction"], ["input", "Input (optional)"], ["output", "Output"], ["system", "System (optional)"]],
  completion: [["prompt", "Prompt"], ["completion", "Completion"]],
  text: [["text", "Text"]],
};
const NONE = "";
const SHOWN_PROBLEMS = 20;
const FEW = 5;
const SAMPLE_CHARS = 60;

export class DataLook {
  // `onChosen(look)` when the data can be used, again after every correction; `onFailed` when it cannot.
  constructor({ draft, onChosen, onFailed }) {
    Object.assign(this, { draft, onChosen, onFailed });
    this.status = element("p", { class: "fine", role: "status" });
    this.error = new FormError();
    this.format = choiceOf(Object.entries(FORMATS), { onchange: () => this.correct({ format: this.format.value, columns: undefined }) });
    this.certainty = element("p", { class: "fine" });
    this.mapping = element("div", { class: "tune-fields" });
    this.samples = element("ol", { class: "samples", "aria-label": "The first samples" });
    this.checked = element("div", { class: "tune-checked" });
    this.progress = new JobProgress("Checking the data");
    this.recognised = element(
      "div",
      { class: "tune-part" },
      element("h3", { text: "What was recognised" }),
      element("div", { class: "tune-fields" }, labelled("Format", this.format)),
      this.mapping,
      this.certainty,
    );
    this.shown = element("div", { class: "tune-part" }, element("h3", { text: "The first samples" }), this.samples);
    this.found = element("div", { class: "tune-part", hidden: true }, this.recognised, this.checked, this.shown);
    this.node = element("div", { class: "tune-part" }, this.status, this.progress.node, this.error.node, this.found);
  }

  // Looks at the data of the draft, once; again when that is asked for.
  follow({ isAsked = false } = {}) {
    const source = this.draft.get("data");
    const key = JSON.stringify(source ?? null);
    if (key === this.key && !isAsked) return;
    this.key = key;
    this.asking?.abort();
    this.error.clear();
    if (!source) {
      this.found.hidden = true;
      this.status.textContent = "";
    } else this.ask(source);
  }

  async ask(source) {
    this.asking = new AbortController();
    const { signal } = this.asking;
    this.status.textContent = `Reading ${sourceText(source)} …`;
    this.checked.replaceChildren();
    try {
      const { look } = await control("datasets/look", { source }, { signal });
      this.shownOf = subjectOf(source);
      this.show(look);
      this.onChosen(look);
      this.status.textContent = "Checking every row …";
      const check = await (source.hub ? this.checkAsJob(source, signal) : checkNow(source, signal));
      if (check && !signal.aborted) this.showCheck(check);
      this.status.textContent = signal.aborted || check ? "" : "The check was cancelled: whether every row can be used is not known.";
    } catch (error) {
      if (error.name === "AbortError") return;
      this.status.textContent = "";
      this.error.show(error);
      this.onFailed();
      // What is seen of the same data stays, so that it can be corrected.
      this.found.hidden = this.recognised.hidden || this.shownOf !== subjectOf(source);
    }
  }

  // What is downloaded first takes its time: it is seen how far it is, and can be cancelled. Null where it was.
  async checkAsJob(source, signal) {
    const { job } = await control("datasets/checks", { source }, { signal });
    if (!(await this.progress.follow(job))) return null;
    return (await control(`datasets/checks/${encodeURIComponent(job.id)}`, undefined, { signal })).check;
  }

  correct(changes) {
    this.draft.set({ data: { ...this.draft.get("data"), ...changes } });
    this.follow();
  }

  show({ format, is_certain: isCertain, columns, mapping, first, problems }) {
    this.found.hidden = false;
    // Where no row can be read there is nothing to correct.
    this.recognised.hidden = !first.length && !columns.length;
    this.shown.hidden = !first.length;
    this.format.value = format;
    // What stands against all of it is told by the check.
    const told = problems.filter(({ row, file }) => row || file);
    this.certainty.textContent = isCertain || !first.length || this.draft.get("data").format ? "" : "Another format would fit as well. Look at the samples, and choose it above if they are wrong.";
    this.certainty.hidden = !this.certainty.textContent;
    const roles = columns.length ? ROLES[format] : [];
    this.mapping.hidden = !roles.length;
    this.mapping.replaceChildren(...roles.map(([role, words]) => labelled(words, this.columnChoice(role, columns, mapping))));
    this.samples.replaceChildren(...first.map((one) => element("li", {}, sampleView(one))));
    if (told.length) this.checked.replaceChildren(problemList(told, told.length));
  }

  columnChoice(role, columns, mapping) {
    const words = ({ name, sample }) => [name, sample ? `${name}: ${shortened(sample)}` : name];
    const onchange = () => this.correct({ columns: { ...mapping, ...this.draft.get("data").columns, [role]: select.value } });
    const select = choiceOf([[NONE, "none"], ...columns.map(words)], { onchange });
    select.value = mapping[role] ?? NONE;
    return select;
  }

  showCheck({ rows, examples, problem_count: problemCount, problems, duplicate_count: duplicateCount, duplicates }) {
    const line = [`${numberText(rows)} ${rows === 1 ? "row" : "rows"}`, `${numberText(examples)} ${examples === 1 ? "sample" : "samples"}`];
    line.push(problemCount ? `${numberText(problemCount)} that cannot be used` : "nothing broken");
    line.push(duplicateCount ? `${numberText(duplicateCount)} exact ${duplicateCount === 1 ? "duplicate" : "duplicates"}` : "no duplicates");
    this.checked.replaceChildren(
      element("p", { class: problemCount ? "form-error" : "tune-good", text: examples ? line.join(" · ") : "Nothing in it can be used." }),
      problemCount ? problemList(problems, problemCount) : "",
      duplicateCount ? duplicateList(duplicates, duplicateCount) : "",
    );
  }
}

async function checkNow(source, signal) {
  return (await control("datasets/check", { source }, { signal })).check;
}

function shortened(text) {
  return text.length > SAMPLE_CHARS ? `${text.slice(0, SAMPLE_CHARS - 1)}…` : text;
}

// Which data it is, however it is read.
function subjectOf({ format, columns, ...subject }) {
  return JSON.stringify(subject);
}

function problemList(problems, count) {
  const where = ({ row, place, file }) => [row ? `Row ${row}` : "", place, file].filter(Boolean).join(", ");
  const items = problems.slice(0, SHOWN_PROBLEMS).map((one) => element("li", {}, element("span", { class: "tune-where", text: where(one) }), element("span", { dir: "auto", text: one.message })));
  // What is wrong with a whole file is wrong with no row.
  const what = problems.every(({ row }) => row) ? (count === 1 ? "row has a problem" : "rows have a problem") : count === 1 ? "problem" : "problems";
  return folded(`${numberText(count)} ${what}`, items, count);
}

function duplicateList(duplicates, count) {
  const items = duplicates.slice(0, SHOWN_PROBLEMS).map(([row, of, file, ofFile]) => element("li", { text: `Row ${row}${file ? ` of ${file}` : ""} is the same as row ${of}${ofFile && ofFile !== file ? ` of ${ofFile}` : ""}.` }));
  return folded(`${numberText(count)} ${count === 1 ? "row is" : "rows are"} there twice`, items, count);
}

export function folded(summary, items, count) {
  const rest = count - items.length;
  if (rest > 0) items.push(element("li", { class: "fine", text: `and ${numberText(rest)} more` }));
  return element("details", { class: "tune-details", open: count <= FEW }, element("summary", { text: summary }), element("ul", { class: "tune-reasons" }, ...items));
}
