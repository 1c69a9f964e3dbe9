// A result in the forms that other programs read, with its size before and its check after; and on the hub.

import { control } from "./control.js";
import { element } from "./dom.js";
import { FormError, button, choiceOf, labelled } from "./forms.js";
import { JobProgress } from "./finetune_jobs.js";
import { AccountDialog } from "./hub_account.js";
import { agoText, bytesText, numberText } from "./words.js";

const KINDS = {
  merged: ["A whole model", "The adapter merged into its model, as a folder of safetensors."],
  gguf: ["A GGUF file", "The merged model in one file, for llama.cpp and programs that build on it."],
  gguf_lora: ["An adapter for llama.cpp", "Small: it is put on a GGUF file of the model it was trained on."],
};
const NAME_CHARS = 120;
const REPOSITORY_CHARS = 200;

export class Exports {
  // `onUsed(model)` when an exported model is to answer in chat.
  constructor({ call, toasts, onUsed }) {
    Object.assign(this, { call, toasts, onUsed });
    this.list = element("ul", { class: "tune-list exports" });
    this.underway = element("ul", { class: "tune-list exports", "aria-label": "What is being exported" });
    // Ids of the jobs that are shown there.
    this.followed = new Set();
    this.results = element("ul", { class: "tune-list exports", "aria-label": "What was exported" });
    this.account = new AccountDialog({ call, onToken: () => {} });
    this.node = element("details", { class: "tune-details", ontoggle: () => this.node.open && this.look() }, element("summary", { text: "Export it" }), this.list, this.underway, this.results, this.account.node);
  }

  show(name) {
    this.name = name;
    this.list.replaceChildren();
    if (this.node.open) this.look();
  }

  async look() {
    try {
      const { choices } = await control(`export/choices?name=${encodeURIComponent(this.name)}`);
      const possible = choices.filter((one) => one.kind !== "push");
      const push = choices.find((one) => one.kind === "push");
      this.list.replaceChildren(...possible.map((one) => this.row(one)), ...(push ? [this.pushRow(push)] : []));
      await this.lookAtResults();
      const { jobs } = await control("jobs");
      for (const job of jobs) if (job.state === "running" && /^(export|push) /.test(job.name)) this.follow(job);
    } catch (error) {
      this.toasts.error(error);
    }
  }

  // One that was begun earlier, or in another tab, is followed as well; it goes on when the page is closed.
  async follow(job) {
    if (this.followed.has(job.id)) return;
    this.followed.add(job.id);
    const progress = new JobProgress(job.name);
    const error = new FormError();
    const item = exportRow(job.name[0].toUpperCase() + job.name.slice(1), "", [progress.node, error.node]);
    this.underway.append(item);
    try {
      if (await progress.follow(job)) this.toasts.show(`Done: ${job.name}.`);
      item.remove();
      await this.lookAtResults();
    } catch (problem) {
      error.show(problem);
    }
  }

  row({ kind, types, is_possible: isPossible, reason, size_bytes: sizes }) {
    const [title, words] = KINDS[kind] ?? [kind, ""];
    const type = choiceOf(types.map((one) => [one, sizes[one] ? `${one}, ${bytesText(sizes[one])}` : one]), { "aria-label": `${title}, number format`, hidden: types.length < 2 });
    const size = types.length < 2 ? bytesText(Object.values(sizes)[0] ?? 0) : "";
    const usual = () => [this.name, kind === "merged" ? "merged" : type.value].filter(Boolean).join("-");
    // An adapter for llama.cpp lies beside the one it is made from, under the same name.
    const name = element("input", { type: "text", class: "form-field", maxLength: NAME_CHARS, spellcheck: false, value: usual(), hidden: kind === "gguf_lora", "aria-label": `${title}, name` });
    type.addEventListener("change", () => (name.value = usual()));
    const error = new FormError({ name });
    const start = button("Export", () => this.start("start", { adapter: this.name, kind, type: type.value || undefined, name: name.hidden ? "" : name.value.trim() }, { start, error }), "quiet-button", { "aria-label": `Export: ${title}` });
    const controls = element("div", { class: "export-line" }, name, type, start);
    return exportRow(title, [words, size].filter(Boolean).join(" "), isPossible ? [controls, error.node] : [refused(reason)]);
  }

  pushRow({ is_possible: isPossible, reason }) {
    const repository = element("input", { type: "text", class: "form-field", maxLength: REPOSITORY_CHARS, spellcheck: false, autocapitalize: "off", placeholder: "user/name" });
    const isPrivate = element("input", { type: "checkbox", checked: true });
    const error = new FormError({ repository });
    const push = () => this.start("push", { adapter: this.name, repository: repository.value.trim(), is_private: isPrivate.checked }, { start, error });
    const start = button("Push", push, "quiet-button", { "aria-label": "Push to the hub" });
    const controls = element("div", { class: "export-line" }, labelled("Repository", repository), element("label", { class: "tool" }, isPrivate, "Private"), button("Hub account", () => this.openAccount()), start);
    return exportRow("The model hub", "With a card that states data, method, figures and limits. It needs a token that may write.", isPossible ? [controls, error.node] : [refused(reason), button("Hub account", () => this.openAccount())]);
  }

  async openAccount() {
    try {
      const { name, address } = await this.call("hub_state");
      this.account.show({ name, address });
      this.account.open();
    } catch (error) {
      this.toasts.error(error);
    }
  }

  async start(path, body, { start, error }) {
    error.clear();
    start.disabled = true;
    try {
      const { job } = await control(`export/${path}`, body);
      this.follow(job);
      this.underway.scrollIntoView({ block: "nearest" });
    } catch (problem) {
      error.show(problem);
    } finally {
      start.disabled = false;
    }
  }

  async lookAtResults() {
    const { results } = await control("export/results");
    this.results.replaceChildren(...results.map((one) => resultRow(one, one.kind === "gguf_lora" ? this.adapterUse(one) : modelUse(one, this.onUsed))));
  }

  // On which model; the program loads it with the adapter.
  adapterUse({ name, models }) {
    if (!models.length) return [refused("Get a GGUF file of the model it was trained on: then it can be used here.")];
    const model = choiceOf(models.map((one) => [one, one]), { "aria-label": `${name}, model` });
    const error = new FormError();
    const onclick = async () => {
      error.clear();
      use.disabled = true;
      use.textContent = "Loading …";
      try {
        const used = await control("training/use", { name, model: model.value });
        await this.onUsed(used.model, used.adapter);
      } catch (problem) {
        error.show(problem);
      } finally {
        use.disabled = false;
        use.textContent = "Use in chat";
      }
    };
    const use = button("Use in chat", onclick, "quiet-button", { "aria-label": `Use ${name} on a GGUF file in chat` });
    return [element("div", { class: "export-line" }, element("span", { class: "fine", text: "On the model" }), model, use), error.node];
  }
}

function exportRow(title, words, parts) {
  return element("li", { class: "tune-row export" }, element("span", { class: "tune-name", text: title }), element("span", { class: "fine", text: words }), ...parts);
}

function refused(reason) {
  return element("p", { class: "fine", text: reason });
}

function modelUse({ name, error }, onUsed) {
  return error ? [] : [button("Use in chat", () => onUsed(name), "quiet-button", { "aria-label": `Use ${name} in chat` })];
}

// `uses` are what it can be used by.
function resultRow({ name, kind, type, created, agreement, error }, uses) {
  const words = [KINDS[kind]?.[0] ?? kind, type, agoText(created)].filter(Boolean).join(" · ");
  const isGood = !error && (agreement?.is_good ?? true);
  return element(
    "li",
    { class: "tune-row export" },
    element("span", { class: "tune-name", dir: "auto", text: name }),
    element("span", { class: "fine", text: words }),
    error || agreement ? element("p", { class: isGood ? "tune-good" : "form-error", text: error || agreementText(agreement) }) : null,
    ...uses,
  );
}

function agreementText({ tokens, agreed, share, is_good: isGood }) {
  const words = `${numberText(agreed)} of ${numberText(tokens)} tokens (${(100 * share).toFixed(1)} %) are the same in both engines`;
  return isGood ? `Checked: ${words}.` : `Take care: only ${words}.`;
}
