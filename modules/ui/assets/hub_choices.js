// What can be downloaded of a model on the hub: each choice judged for this machine, and where it stands on it.

import { element, sizeText } from "./dom.js";
import { button } from "./forms.js";
import { FITS } from "./load_estimate.js";
import { stateWords } from "./model_state.js";
import { contextText, speedNumber } from "./words.js";

const COMING = { queued: "Waiting", running: "Downloading", paused: "Paused at" };
const ADAPTER = "adapter";

export class ChoiceList {
  // `deeds` are what can be done beside downloading: onDownload, onLoad, onTalk, onDownloads, onLibrary.
  constructor(model, { call, deeds }) {
    this.model = model;
    const context = element("select", { class: "form-field", onchange: () => this.showEstimates(Number(context.value)) });
    context.append(...model.contexts.map((length) => element("option", { value: length, text: `${contextText(length)} tokens` })));
    context.value = String(model.context);
    this.rows = model.choices.map((choice) => new ChoiceRow(choice, { model, call, deeds }));
    this.node = element(
      "section",
      { class: "choices", "aria-label": "What to download" },
      element(
        "div",
        { class: "choices-head" },
        element("h3", { text: "Download" }),
        element("label", { class: "context-choice" }, element("span", { text: "judged for a context of" }), context),
      ),
      element("ul", { class: "choice-list" }, ...this.rows.map((row) => row.node)),
      element("p", { class: "fine", text: "Memory and speed are estimates for this machine, with the range they are expected in." }),
    );
    this.showEstimates(model.context);
  }

  showEstimates(context) {
    const recommended = this.model.recommended[context];
    for (const [place, row] of this.rows.entries()) row.showEstimate(row.choice.estimates[context], recommended?.place === place ? recommended : null);
  }

  // What is on its way, and what is here, as the page knows it now.
  showStandings(downloads, models) {
    for (const row of this.rows) row.showStanding(downloads, models);
  }
}

class ChoiceRow {
  constructor(choice, { model, call, deeds }) {
    Object.assign(this, { choice, model, call, deeds, downloads: [], models: [] });
    this.isAsking = false;
    // Why the program did not begin to download it.
    this.refusal = "";
    this.best = element("span", { class: "mark best", text: "Recommended", hidden: true });
    this.here = element("span", { class: "mark", text: "On this machine", hidden: true });
    this.fit = element("span", { class: "fit" });
    this.memory = element("span", {});
    this.speed = element("span", {});
    this.deed = element("div", { class: "choice-deed" });
    this.problem = element("p", { class: "choice-problem", role: "alert", hidden: true });
    this.reader = element("input", { type: "checkbox", checked: Boolean(choice.standings[1]?.is_here), onchange: () => this.showStanding(this.downloads, this.models) });
    const size = element("span", { class: "choice-size", text: sizeText(choice.size_bytes) });
    const name = element("span", { class: "choice-name" }, element("span", { text: choice.name }), this.best, this.here);
    if (choice.problem) {
      this.node = element("li", { class: "choice" }, name, size, element("span", { class: "choice-problem", text: choice.problem }));
      return;
    }
    this.node = element(
      "li",
      { class: "choice" },
      name,
      size,
      this.fit,
      element("span", { class: "choice-figures" }, this.memory, this.speed),
      this.deed,
      choice.projector_bytes
        ? element("label", { class: "with-reader" }, this.reader, element("span", { text: `with image reader (${sizeText(choice.projector_bytes)})` }))
        : null,
      this.problem,
    );
    this.showDeed();
  }

  showEstimate(estimate, recommended) {
    this.best.hidden = !recommended;
    this.best.title = recommended?.reason ?? "";
    this.fit.className = `fit ${estimate?.fit ?? ""}`;
    this.fit.textContent = estimate ? FITS[estimate.fit] : "";
    this.fit.title = estimate?.note ?? "";
    this.memory.textContent = estimate ? `needs ${sizeText(estimate.memory.value)}` : "memory unknown";
    this.memory.title = estimate ? `between ${sizeText(estimate.memory.low)} and ${sizeText(estimate.memory.high)}` : "";
    this.speed.textContent = speedText(estimate);
    this.showDeed();
  }

  showStanding(downloads, models) {
    Object.assign(this, { downloads, models });
    this.showDeed();
  }

  // --- what can be done now ---

  get standing() {
    return this.choice.standings[this.reader.checked ? 1 : 0];
  }

  // Made anew only when it becomes another, so that the focus stays.
  showDeed() {
    if (this.choice.problem) return;
    const { words, label, act, isMain, isHere, problem } = this.offer();
    const isStrong = isMain && !this.best.hidden;
    const now = JSON.stringify([words, label, isStrong]);
    this.here.hidden = !isHere;
    this.say(problem || this.refusal);
    if (now === this.offered) return;
    this.offered = now;
    const hadFocus = this.deed.contains(document.activeElement);
    const press = label
      ? button(label, act, isStrong ? "strong-button" : "quiet-button", { "aria-label": `${label.replace("…", "")} ${this.choice.name}, ${sizeText(this.choice.size_bytes)}` })
      : null;
    this.deed.replaceChildren(...[words ? element("span", { class: "fine", text: words }) : null, press].filter(Boolean));
    if (press && label === "Download") press.disabled = !this.model.has_access;
    if (hadFocus) press?.focus();
  }

  offer() {
    const { choice, standing, deeds } = this;
    const download = this.downloads.find((one) => one.id === standing.download_id);
    if (download?.state in COMING) return { words: comingText(download), label: "Show", act: deeds.onDownloads };
    // What has just come may not be among the models yet; what was here when the hub was asked may have been deleted.
    const come = download?.state === "done" && download.model;
    const model = this.models.find((one) => one.id === (come || standing.model));
    if (model || come) return this.offerOfModel(model ?? { id: come });
    const isFolder = standing.is_here && !standing.model;
    if (isFolder || (choice.name === ADAPTER && download?.state === "done")) return { label: "Show", act: deeds.onLibrary, isHere: true };
    if (standing.problem) return { problem: standing.problem };
    return { label: "Download", act: () => this.download(), isMain: true };
  }

  offerOfModel(model) {
    const { deeds } = this;
    if (model.state === "ready") return { words: "Loaded", label: "Talk to it", act: () => deeds.onTalk(model.id), isMain: true, isHere: true };
    if (model.state === "loading" || model.problem) {
      return { words: model.problem ? "Damaged" : stateWords(model), label: "Show", act: deeds.onLibrary, isHere: true };
    }
    return { label: "Load…", act: () => deeds.onLoad(model.id), isMain: true, isHere: true };
  }

  // The button keeps the focus, and a second press means nothing.
  async download() {
    if (this.isAsking) return;
    const { repository, revision } = this.model;
    const source = revision === "main" ? repository : `${repository}:${revision}`;
    this.isAsking = true;
    this.refusal = "";
    try {
      const { download } = await this.call("download_start", { source, choice: this.choice.name, projector: this.reader.checked });
      await this.deeds.onDownload(download);
    } catch (error) {
      this.refusal = error.message;
    } finally {
      this.isAsking = false;
    }
    this.showDeed();
  }

  say(text) {
    this.problem.hidden = !text;
    if (this.problem.textContent !== text) this.problem.textContent = text;
  }
}

function comingText({ state, done_bytes: done, size_bytes: size }) {
  const percent = size ? ` ${Math.floor((done / size) * 100)} %` : "";
  return `${COMING[state]}${state === "queued" ? "" : percent}`;
}

function speedText(estimate) {
  if (!estimate?.speed) return estimate ? "speed not known yet" : "";
  const { value, low, high } = estimate.speed;
  return `about ${speedNumber(value)} tok/s (${speedNumber(low)}–${speedNumber(high)})`;
}
