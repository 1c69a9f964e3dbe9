// Runs over files: how far each is, what can be done with it, and its result.

import { control } from "./control.js";
import { element } from "./dom.js";
import { button } from "./forms.js";
import { agoText, durationText, numberText } from "./words.js";

const POLL_MS = 1000;
const WORDS = { running: "Running", done: "Done", stopped: "Stopped", failed: "Ended by an error" };

export class RunList {
  constructor({ toasts }) {
    this.toasts = toasts;
    this.runs = [];
    this.rows = new Map();
    this.list = element("ul", { class: "download-list", "aria-label": "Runs" });
    this.node = element("section", { class: "runs downloads", hidden: true }, element("h2", { text: "Runs" }), this.list);
  }

  show() {
    this.isShown = true;
    return this.look();
  }

  hide() {
    this.isShown = false;
    clearTimeout(this.timer);
  }

  // Asks once; goes on asking while one is running and the list is in sight.
  async look() {
    clearTimeout(this.timer);
    try {
      this.take((await control("runs")).runs);
    } catch (error) {
      this.toasts.error(error);
    }
    const goesOn = this.isShown && this.runs.some((one) => one.state === "running");
    if (goesOn) this.timer = setTimeout(() => this.look(), document.hidden ? POLL_MS * 10 : POLL_MS);
  }

  take(runs) {
    const before = new Map(this.runs.map((one) => [one.name, one.state]));
    this.runs = runs;
    this.node.hidden = !runs.length;
    const kept = new Map(runs.map((run) => [run.name, this.rowOf(run)]));
    for (const [name, row] of this.rows) if (kept.get(name) !== row) row.remove();
    this.rows = kept;
    for (const [place, row] of [...kept.values()].entries()) if (this.list.children[place] !== row) this.list.insertBefore(row, this.list.children[place] ?? null);
    for (const run of runs) if (before.get(run.name) === "running" && run.state !== "running") this.announce(run);
  }

  announce({ name, state, error }) {
    if (state === "done") this.toasts.show(`${name} is done.`);
    if (state === "failed") this.toasts.show(`${name} has ended. ${error}`, { isError: true });
  }

  // A row is made anew when the run comes into another state, so that its buttons keep the focus meanwhile.
  rowOf(run) {
    const shown = JSON.stringify([run.state, run.created, run.retriable, run.error]);
    let row = this.rows.get(run.name);
    if (row?.dataset.shown !== shown) {
      row = this.build(run);
      row.dataset.shown = shown;
    }
    row.querySelector("progress").value = run.rows ? run.done / run.rows : 0;
    row.querySelector(".download-progress").textContent = progressText(run);
    row.querySelector(".run-failure").textContent = failureText(run);
    return row;
  }

  build(run) {
    const { name, template, source, model, state, error, created } = run;
    return element(
      "li",
      { class: `download ${state}` },
      element(
        "div",
        { class: "download-what" },
        element("span", { class: "download-name", dir: "auto", text: name }),
        element("span", { class: "download-source", dir: "auto", text: [template, source, model].join(" · ") }),
        element("progress", { max: 1, "aria-label": `${name}, progress` }),
        element("span", { class: "download-state", text: `${WORDS[state]} · begun ${agoText(created)}` }),
        element("span", { class: "download-progress" }),
        element("p", { class: "run-failure fine", dir: "auto" }),
        error ? element("p", { class: "download-error", text: error }) : null,
      ),
      element("div", { class: "download-deeds" }, ...this.deeds(run)),
    );
  }

  deeds(run) {
    const { name, state, retriable, format } = run;
    const deed = (word, path, body = {}) => button(word, () => this.act(path, { name, ...body }), "quiet-button", { "aria-label": `${word}: ${name}` });
    if (state === "running") return [deed("Stop", "runs/stop"), resultLink(name, format)];
    const found = [resultLink(name, format), this.deleting(name)];
    if (retriable) found.unshift(deed("Retry failed", "runs/resume", { retry_failed: true }));
    if (state !== "done") found.unshift(deed("Resume", "runs/resume"));
    return found;
  }

  // Results cannot be brought back, so the button asks once more.
  deleting(name) {
    const sure = () => this.act("runs/delete", { name });
    const ask = () => {
      const again = button("Delete for good", sure, "quiet-button", { "aria-label": `Delete ${name} for good` });
      first.replaceWith(again);
      again.focus();
      again.addEventListener("blur", () => again.replaceWith(first));
    };
    const first = button("Delete", ask, "quiet-button", { "aria-label": `Delete ${name}` });
    return first;
  }

  async act(path, body) {
    try {
      await control(path, body);
    } catch (error) {
      this.toasts.error(error);
    }
    await this.look();
  }
}

function resultLink(name, format) {
  const href = `/control/runs/${encodeURIComponent(name)}/result`;
  return element("a", { class: "quiet-button", href, download: `${name}.${format}`, text: "Result", "aria-label": `Result of ${name}` });
}

function failureText({ failed, failure }) {
  if (!failure) return "";
  return `Row ${numberText(failure.row)}: ${failure.error}${failed > 1 ? " The result has the reason of each." : ""}`;
}

function progressText({ done, rows, failed, state, tokens_per_second: speed, seconds_left: left }) {
  const words = [`${numberText(done)} of ${numberText(rows)} rows`, failed ? `${numberText(failed)} failed` : ""];
  if (state === "running") {
    words.push(speed ? `${speed.toFixed(1)} tokens/s` : "", left ? `${durationText(left)} left` : "");
  }
  return words.filter(Boolean).join(" · ");
}
