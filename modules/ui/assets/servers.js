// Remote servers: other machines whose models this program can use.

import { element } from "./dom.js";
import { button, FormError, labelled } from "./forms.js";
import { contactWords, isAway } from "./model_state.js";
import { counted } from "./words.js";

const FEW_MODELS = 5;
// The code of a refusal that a second click overrules: nobody answers at that address, or the key does not open it.
const SILENT = "server_silent";
const ADD = "Add server";
const ADD_ANYWAY = "Add it anyway";

export class ServerList {
  // `onSelect(id)` chooses a model for the next message.
  constructor({ call, toasts, onChange, onSelect }) {
    Object.assign(this, { call, toasts, onChange, onSelect });
    this.status = element("p", { class: "hub-status", role: "status" });
    this.anyway = false;
    this.list = element("ul", { class: "server-list", "aria-label": "Servers" });
    this.node = element("div", { class: "servers" }, this.list, this.status, this.form());
  }

  form() {
    const field = (properties) => element("input", { type: "text", class: "form-field", spellcheck: false, autocapitalize: "off", ...properties });
    // What is wrong is the program's to say, in words that tell what to write.
    this.name = field({ placeholder: "office" });
    this.address = field({ placeholder: "http://192.168.1.20:8000", inputMode: "url" });
    this.key = field({ type: "password", autocomplete: "off" });
    this.error = new FormError({ name: this.name, address: this.address, api_key: this.key });
    this.submit = element("button", { type: "submit", class: "strong-button", text: ADD });
    const onsubmit = (event) => {
      event.preventDefault();
      this.add();
    };
    return element(
      "form",
      { class: "server-form", "aria-label": "Add a server", onsubmit, oninput: () => this.insist(false) },
      element("h3", { text: "Add a server" }),
      element("p", {
        class: "fine",
        text: "Any server that speaks OpenAI's protocol: vLLM, SGLang, llama-server, another Parlor, or a hosted service. What you write to its models goes to that server.",
      }),
      element(
        "div",
        { class: "server-fields" },
        labelled("Name", this.name),
        labelled("Address", this.address),
        labelled("Key", this.key, "Only if the server asks for one. It is kept on this machine and sent to this address alone."),
      ),
      this.error.node,
      this.submit,
    );
  }

  async show() {
    this.isShown = true;
    try {
      const { servers } = await this.call("remote_list");
      this.fill(servers);
    } catch (error) {
      this.status.textContent = error.message;
    }
  }

  hide() {
    this.isShown = false;
  }

  // The program's state; a server that went away, or came back, says so at once.
  update({ models }) {
    const away = JSON.stringify(models.filter(isAway).map((one) => one.server));
    if (away === this.away) return;
    this.away = away;
    if (this.isShown) this.show();
  }

  // What is as it was stays, with a question that waits for an answer.
  fill(servers) {
    this.status.textContent = servers.length ? "" : "No servers yet.";
    const shown = JSON.stringify(servers);
    if (shown === this.shown) return;
    this.shown = shown;
    this.list.replaceChildren(...servers.map((server) => this.row(server)));
  }

  row(server) {
    const { name, address, models, error, has_key: hasKey } = server;
    const facts = [address, hasKey ? "with a key" : "", counted(models.length, "model"), contactWords(server)];
    const deeds = element("div", { class: "server-deeds" });
    const row = element(
      "li",
      { class: "server", "data-name": name },
      element(
        "div",
        { class: "server-what" },
        element("span", { class: "server-name", dir: "auto", text: name }),
        element("span", { class: "server-facts", text: facts.filter(Boolean).join(" · ") }),
        error ? element("p", { class: "server-error", text: error }) : null,
      ),
      deeds,
      models.length ? this.models(name, models) : null,
    );
    this.showDeeds(deeds, server);
    return row;
  }

  showDeeds(deeds, server) {
    deeds.replaceChildren(
      button("Ask again", () => this.act("remote_refresh", server.name), "quiet-button", { "aria-label": `Ask ${server.name} for its models again` }),
      button("Remove", () => this.confirm(deeds, server), "quiet-button", { "aria-label": `Remove ${server.name}` }),
    );
  }

  // Its key goes with it, and cannot be brought back.
  confirm(deeds, server) {
    const keep = () => {
      this.showDeeds(deeds, server);
      deeds.lastChild.focus();
    };
    const words = server.has_key ? "Remove it and its key?" : "Remove it?";
    const keepButton = button("Keep", keep);
    deeds.replaceChildren(
      element("span", { class: "question", role: "alert", text: words }),
      button("Remove", () => this.act("remote_remove", server.name), "quiet-button danger"),
      keepButton,
    );
    keepButton.focus();
  }

  models(name, models) {
    const row = (model) =>
      element(
        "li",
        {},
        element("span", { class: "server-model", dir: "auto", text: model }),
        button("Use", () => this.onSelect(`${name}/${model}`), "quiet-button", { "aria-label": `Use ${model}` }),
      );
    return element(
      "details",
      { class: "fold", open: models.length <= FEW_MODELS },
      element("summary", { text: counted(models.length, "model") }),
      element("ul", { class: "server-models" }, ...models.map(row)),
    );
  }

  // A server that does not answer is kept only when the person says so once more, having changed nothing.
  insist(anyway) {
    this.anyway = anyway;
    this.submit.textContent = anyway ? ADD_ANYWAY : ADD;
  }

  async add() {
    this.error.clear();
    this.submit.disabled = true;
    const name = this.name.value.trim();
    const address = this.address.value.trim();
    this.status.textContent = address ? `Asking ${address} for its models …` : "";
    try {
      const { server } = await this.call("remote_add", { name, address, api_key: this.key.value, anyway: this.anyway });
      for (const field of [this.name, this.address, this.key]) field.value = "";
      this.insist(false);
      await this.show();
      // One that did not answer says so in its row.
      if (!server.error) this.toasts.show(`${server.name} has ${counted(server.models.length, "model")}.`);
      this.focusRow(server.name);
      this.onChange();
    } catch (error) {
      this.status.textContent = "";
      this.error.show(error);
      this.insist(error.code === SILENT);
    } finally {
      this.submit.disabled = false;
    }
  }

  async act(action, name) {
    this.status.textContent = action === "remote_refresh" ? `Asking ${name} …` : "";
    try {
      await this.call(action, { name });
    } catch (error) {
      this.toasts.error(error);
    }
    await this.show();
    // Elsewhere the focus may be on a question that was asked meanwhile.
    if (document.activeElement === document.body) this.focusRow(name);
    this.onChange();
  }

  focusRow(name) {
    const row = [...this.list.children].find((one) => one.dataset.name === name);
    (row?.querySelector(".server-deeds button") ?? this.name).focus();
  }
}
