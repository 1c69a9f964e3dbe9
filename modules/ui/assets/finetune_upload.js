// Data files brought into data/datasets: dropped or chosen, sent as they are, with progress.

import { element, icon } from "./dom.js";
import { button } from "./forms.js";
import { sendFile } from "./uploads.js";
import { fileSizeText } from "./words.js";

const ENDINGS = ".jsonl,.ndjson,.json,.csv,.tsv,.parquet,.txt,.md,.markdown";
const LARGEST_BYTES = 2 * 1024 ** 3;
const NAME_CHARS = 120;

export class Upload {
  // `taken()` are the names there are; `onUploaded(dataset)` after a file has arrived whole.
  constructor({ taken, onUploaded }) {
    Object.assign(this, { taken, onUploaded });
    this.file = element("input", { type: "file", class: "off-screen", tabIndex: -1, "aria-hidden": "true", accept: ENDINGS, onchange: () => this.take(this.file.files) });
    this.choose = button("Choose a file", () => this.file.click());
    this.bar = element("progress", { max: 1, "aria-label": "Sending the file", hidden: true });
    this.status = element("p", { class: "fine", role: "status", text: "JSONL, JSON, CSV, Parquet, text or Markdown. It stays on this machine." });
    this.cancel = button("Cancel", () => this.sending?.cancel(), "quiet-button", { hidden: true });
    this.error = element("p", { class: "form-error", role: "alert", hidden: true });
    this.node = element(
      "div",
      { class: "drop" },
      icon("download"),
      element("div", { class: "drop-words" }, element("p", {}, element("span", { class: "drop-hint", text: "Drop a file here, or " }), this.choose, this.cancel), this.status, this.bar, this.error),
      this.file,
    );
    this.node.addEventListener("dragover", (event) => this.onDrag(event, true));
    this.node.addEventListener("dragleave", (event) => this.onDrag(event, false));
    this.node.addEventListener("drop", (event) => {
      this.onDrag(event, false);
      this.take(event.dataTransfer.files);
    });
  }

  onDrag(event, isOver) {
    event.preventDefault();
    this.node.classList.toggle("over", isOver);
  }

  async take(files) {
    const [file] = files;
    if (!file || this.sending) return;
    this.tell("");
    if (file.size > LARGEST_BYTES) {
      this.tell(`${file.name} has ${fileSizeText(file.size)}, and at most 2 GB can be sent. Put it into data/datasets, or name its path.`);
      return;
    }
    this.mark(file);
    try {
      this.onUploaded(await this.send(file));
    } catch (error) {
      if (error.code !== "cancelled") this.tell(error.message);
    } finally {
      this.file.value = "";
      this.sending = null;
      this.mark(null);
    }
  }

  mark(file) {
    this.bar.hidden = !file;
    this.cancel.hidden = !file;
    this.choose.hidden = Boolean(file);
    this.bar.value = 0;
    this.status.textContent = file ? `Sending ${file.name}` : "JSONL, JSON, CSV, Parquet, text or Markdown. It stays on this machine.";
  }

  async send(file) {
    const show = (sent, all) => {
      this.bar.value = all ? sent / all : 0;
      this.status.textContent = `Sending ${file.name}: ${fileSizeText(sent)} of ${fileSizeText(all)}`;
    };
    this.sending = sendFile(`/control/datasets/files/${encodeURIComponent(freeName(file.name, this.taken()))}`, file, show);
    return (await this.sending.answer).dataset;
  }

  tell(problem) {
    this.error.textContent = problem;
    this.error.hidden = !problem;
  }
}

// A file whose name is taken comes beside the other, as its second version.
function freeName(name, taken) {
  const [, stem, ending] = /^(.*?)(\.[^.]*)?$/s.exec(name);
  const versions = (number) => `${stem.slice(0, NAME_CHARS - 20)}${number > 1 ? `-${number}` : ""}${ending ?? ""}`;
  let number = 1;
  while (taken.includes(versions(number))) number += 1;
  return versions(number);
}
