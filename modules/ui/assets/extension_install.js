// Installing: where an extension comes from, all that is known of it before anything of it runs, and a person's yes.

import { control } from "./control.js";
import { element } from "./dom.js";
import { button, Dialog, FormError, labelled } from "./forms.js";
import { exactLabel, factList, touchesOf } from "./extension_card.js";
import { JobProgress } from "./finetune_jobs.js";
import { sendFile } from "./uploads.js";
import { counted, fileSizeText } from "./words.js";

const SOURCE_CHARS = 2000;
const CAN_DO_ALL = "Code in an extension can do anything you can on this machine. Install it only if you trust who made it.";

// Asks where from; `onPlan(plan)` when it is known what would be installed.
export class InstallDialog {
  constructor({ onPlan }) {
    this.onPlan = onPlan;
    this.source = element("input", { type: "text", class: "form-field", dir: "auto", maxLength: SOURCE_CHARS, spellcheck: false, autocapitalize: "off", autocomplete: "off", placeholder: "https://example.org/extension.git", oninput: () => this.error.clear() });
    this.error = new FormError({ source: this.source });
    this.look = element("button", { type: "submit", class: "strong-button", text: "Look at it" });
    this.file = element("input", { type: "file", class: "off-screen", tabIndex: -1, "aria-hidden": "true", accept: ".zip", onchange: () => this.send(this.file.files[0]) });
    this.choose = button("Choose a zip file", () => this.file.click());
    this.status = element("span", { class: "fine", role: "status" });
    const form = element(
      "form",
      { class: "extension-install", noValidate: true, onsubmit: (event) => this.submit(event) },
      labelled("Where it comes from", this.source, "A git address, a folder on this machine, or the name of a package."),
      this.error.node,
      element("div", { class: "extension-buttons" }, this.look, this.choose, this.file, this.status),
    );
    this.dialog = new Dialog("Install an extension", form);
    this.node = this.dialog.node;
  }

  // With a source it is looked at straight away.
  open(source = "") {
    this.source.value = source;
    this.error.clear();
    this.dialog.open();
    this.source.focus();
    if (source) this.plan(source);
  }

  submit(event) {
    event.preventDefault();
    const source = this.source.value.trim();
    if (!source) this.error.show({ message: "Say where the extension comes from.", field: "source" });
    else this.plan(source);
  }

  async send(file) {
    if (!file) return;
    this.error.clear();
    const sending = sendFile(`/control/extensions/uploads/${encodeURIComponent(archiveName(file.name))}`, file, (sent) => (this.status.textContent = `Sending: ${fileSizeText(sent)}`));
    try {
      const { source } = await sending.answer;
      await this.plan(source);
    } catch (error) {
      this.error.show(error);
    } finally {
      this.file.value = "";
      this.status.textContent = "";
    }
  }

  async plan(source) {
    this.error.clear();
    this.status.textContent = "Fetching it to look at. Nothing of it runs.";
    for (const one of [this.look, this.choose]) one.disabled = true;
    try {
      const { plan } = await control("extensions/plan", { source });
      // Whoever has turned away meanwhile is not asked any more.
      const isWanted = this.node.open;
      this.dialog.close();
      if (isWanted) this.onPlan(plan);
      else await control("extensions/forget", { plan_id: plan.id });
    } catch (error) {
      this.error.show(error);
    } finally {
      this.status.textContent = "";
      for (const one of [this.look, this.choose]) one.disabled = false;
    }
  }
}

// What will be installed, or what an update changes.
export class PlanDialog {
  // `onInstalled(name)` when it is in place.
  constructor({ toasts, onInstalled }) {
    Object.assign(this, { toasts, onInstalled });
    this.content = element("div", { class: "extension-plan" });
    this.error = new FormError();
    this.progress = new JobProgress("Installing");
    this.cancel = button("Cancel", () => this.dialog.close());
    this.install = button("Install", () => this.agree(), "strong-button");
    this.dialog = new Dialog("Install", this.content, this.error.node, this.progress.node, element("div", { class: "dialog-buttons" }, this.cancel, this.install));
    this.node = this.dialog.node;
    this.node.addEventListener("close", () => this.forget());
  }

  // The no: what was fetched to be looked at is gone.
  async forget() {
    if (!this.plan || this.isBusy) return;
    const { id } = this.plan;
    this.plan = null;
    try {
      await control("extensions/forget", { plan_id: id });
    } catch (error) {
      this.toasts.error(error);
    }
  }

  show(plan) {
    this.plan = plan;
    const { manifest, source, exact, files, packages, warnings, change } = plan;
    const isUpdate = Boolean(change);
    this.dialog.title = isUpdate ? `Update ${manifest.title}?` : `Install ${manifest.title}?`;
    this.install.textContent = isUpdate ? "Update" : "Install";
    this.error.clear();
    const touches = touchesOf(manifest);
    this.content.replaceChildren(
      ...[
        manifest.description ? element("p", { dir: "auto", text: manifest.description }) : null,
        factList({
          Version: change ? `${manifest.version} (now ${change.version})` : manifest.version,
          Author: manifest.author,
          Licence: manifest.licence,
          From: sourceText(source),
          [exactLabel(source.kind)]: exact,
          Touches: touches.length ? touches.join("; ") : "nothing, it says",
        }),
        element("div", { class: "extension-warning", role: "note" }, element("p", { text: CAN_DO_ALL }), warnings.length ? list(warnings) : null),
        change ? changes(change) : null,
        fold(counted(files.length, "file"), element("ul", { class: "plan-list" }, ...files.map((one) => element("li", { dir: "auto" }, fileFold(plan.id, one))))),
        packages.length ? fold(`${counted(packages.length, "package")} that it needs, kept in its own folder`, list(packages.map((one) => `${one.name} ${one.version}`))) : element("p", { class: "fine", text: "It needs no further packages." }),
      ].filter(Boolean),
    );
    this.mark(false);
    this.dialog.open();
    // In a small window the end of the dialog is out of sight, and a person should begin at its top.
    this.cancel.focus({ preventScroll: true });
    this.node.scrollTop = 0;
  }

  // Only a yes to exactly what is shown installs it: the plan's id stands for all of it.
  async agree() {
    const { id, manifest, change } = this.plan;
    this.error.clear();
    this.mark(true);
    try {
      const { job } = await control("extensions/install", { plan_id: id });
      const isDone = await this.progress.follow(job);
      if (!isDone) throw Object.assign(new Error("It was cancelled; nothing was installed."), { code: "cancelled" });
      this.plan = null;
      this.dialog.close();
      this.toasts.show(change ? `${manifest.title} ${manifest.version} is installed.` : `${manifest.title} is installed. Switch it on when you want it.`);
      await this.onInstalled(manifest.name);
    } catch (error) {
      // The job goes on when the dialog is closed.
      if (this.node.open) this.error.show(error);
      else this.toasts.error(error);
    } finally {
      this.mark(false);
    }
  }

  mark(isBusy) {
    this.isBusy = isBusy;
    this.install.disabled = isBusy;
    this.cancel.disabled = isBusy;
  }
}

function changes({ added, changed, removed, permissions }) {
  const lines = [
    ...permissions,
    ...[["New", added], ["Changed", changed], ["Gone", removed]].filter(([, paths]) => paths.length).map(([word, paths]) => `${word}: ${paths.join(", ")}`),
  ];
  return element("section", { "aria-label": "What changes" }, element("h3", { text: "What changes" }), lines.length ? list(lines) : element("p", { class: "fine", text: "Nothing: it is the version that is installed." }));
}

function list(lines) {
  return element("ul", { class: "plan-list" }, ...lines.map((text) => element("li", { dir: "auto", text })));
}

function fold(summary, ...content) {
  return element("details", { class: "plan-fold" }, element("summary", { text: summary }), ...content);
}

// Its text comes when it is unfolded.
function fileFold(planId, { path, size_bytes: size }) {
  const text = element("pre", { class: "extension-log", tabIndex: 0, "aria-label": path });
  const node = fold(`${path} (${fileSizeText(size)})`, text);
  const read = async () => {
    try {
      text.textContent = (await control("extensions/plan/file", { plan_id: planId, path })).text;
    } catch (error) {
      text.textContent = error.message;
    }
  };
  node.addEventListener("toggle", read, { once: true });
  return node;
}

function sourceText({ kind, address, revision }) {
  return revision ? `${address}${kind === "package" ? "==" : "#"}${revision}` : address;
}

function archiveName(name) {
  return `${name.replace(/\.zip$/i, "").replace(/[^A-Za-z0-9._-]/g, "_").replace(/^[._]+/, "").slice(0, 80) || "extension"}.zip`;
}
