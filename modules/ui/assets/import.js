// Models that lie elsewhere on this machine: used where they are, or copied.

import { element, sizeText } from "./dom.js";
import { button, Dialog, FormError, labelled } from "./forms.js";

const PATH_CHARS = 4096;
const NAME_CHARS = 200;
const POLL_MS = 700;

export class ImportDialog {
  constructor({ call, toasts, onChange }) {
    Object.assign(this, { call, toasts, onChange });
    const field = (properties) => element("input", { type: "text", class: "form-field", required: true, spellcheck: false, autocapitalize: "off", ...properties });
    this.path = field({ maxLength: PATH_CHARS, placeholder: "/home/me/models/name.gguf", oninput: () => this.onPath() });
    this.suggested = "";
    this.name = field({ maxLength: NAME_CHARS });
    const way = (value, checked) => element("input", { type: "radio", name: "import-way", value, checked });
    this.link = way("link", true);
    this.copy = way("copy", false);
    this.error = new FormError({ path: this.path, name: this.name });
    this.submit = element("button", { type: "submit", class: "strong-button", text: "Add model" });
    this.status = element("p", { class: "hub-status", role: "status" });
    this.bar = element("progress", { max: 1, hidden: true, "aria-label": "Copying" });
    this.found = element("ul", { class: "found-list", "aria-label": "Models of other programs" });
    this.look = button("Look for models of other programs", () => this.lookElsewhere());
    const onsubmit = (event) => {
      event.preventDefault();
      this.add(this.path.value.trim(), this.name.value.trim(), this.copy.checked);
    };
    const form = element(
      "form",
      { class: "import-form", onsubmit },
      labelled("Path", this.path, "A GGUF file, or a folder in Hugging Face format."),
      labelled("Name", this.name),
      element(
        "fieldset",
        { class: "ways" },
        element("legend", { class: "label", text: "How" }),
        wayLabel(this.link, "Use it where it is", "Takes no space; if the file is moved away, the model is gone."),
        wayLabel(this.copy, "Copy it", "Takes its space a second time, and stays whatever happens to the original."),
      ),
      this.error.node,
      element("div", { class: "dialog-buttons" }, this.submit),
    );
    this.dialog = new Dialog("Add a model from this machine", form, this.status, this.bar, this.look, this.found);
    this.node = this.dialog.node;
  }

  show() {
    this.error.clear();
    if (this.bar.hidden) this.status.textContent = "";
    this.dialog.open();
    this.path.focus();
  }

  hide() {
    this.dialog.close();
  }

  // A name that the person chose stays.
  onPath() {
    this.error.clear();
    if (this.name.value !== this.suggested) return;
    this.suggested = nameOf(this.path.value.trim());
    this.name.value = this.suggested;
  }

  async lookElsewhere() {
    this.look.disabled = true;
    this.status.textContent = "Looking …";
    try {
      const { models } = await this.call("import_found");
      this.status.textContent = models.length ? "" : "No models of other programs were found.";
      this.found.replaceChildren(...models.map((model) => this.foundRow(model)));
      this.found.querySelector("button")?.focus();
    } catch (error) {
      this.status.textContent = "";
      this.error.show(error);
    } finally {
      this.look.disabled = false;
    }
  }

  foundRow({ program, title, path, size_bytes: size, problem }) {
    const name = nameOf(title);
    return element(
      "li",
      { class: "found" },
      element("span", { class: "found-title", dir: "auto", text: title, title: path }),
      element("span", { class: "found-facts", text: problem || [program, sizeText(size)].filter(Boolean).join(" · ") }),
      problem ? null : button("Use", () => this.add(path, name, false), "quiet-button", { "aria-label": `Use ${title} where it is` }),
      problem ? null : button("Copy", () => this.add(path, name, true), "quiet-button", { "aria-label": `Copy ${title}` }),
    );
  }

  async add(path, name, copy) {
    this.error.clear();
    this.submit.disabled = true;
    try {
      const { job } = await this.call("import_model", { path, name, copy_files: copy });
      await this.follow(job, name);
    } catch (error) {
      this.status.textContent = "";
      this.error.show(error);
    } finally {
      this.submit.disabled = false;
      this.bar.hidden = true;
    }
  }

  // A copy goes on when the dialog is closed; its end is told in a notice.
  async follow(begun, name) {
    let job = begun;
    while (job.state === "running") {
      this.bar.hidden = false;
      this.bar.value = job.progress ?? 0;
      this.status.textContent = `${job.note || "Copying"} … ${Math.round((job.progress ?? 0) * 100)} %`;
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      ({ job } = await this.call("import_job", { id: job.id }));
    }
    this.status.textContent = "";
    if (job.state !== "done") throw new Error(job.error || "It was not added.");
    this.path.value = "";
    this.name.value = "";
    this.suggested = "";
    this.toasts.show(`${name} was added.`);
    this.hide();
    this.onChange();
  }
}

function wayLabel(input, words, help) {
  return element("label", { class: "way" }, input, element("span", {}, words, element("span", { class: "fine", text: help })));
}

// The last part of a path, without what is no name.
function nameOf(path) {
  const last = path.split(/[\\/]/).filter(Boolean).at(-1) ?? "";
  return last.replace(/\.gguf$/i, "").replace(/[^\w.-]+/g, "-").slice(0, NAME_CHARS);
}
