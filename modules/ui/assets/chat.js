// The chat view: the open conversation and the field below it, kept in step with the program.

import { Composer } from "./composer.js";
import { element } from "./dom.js";
import { StarterCard } from "./starter.js";
import { Thread } from "./thread.js";
import { ToolsMenu } from "./tools.js";

const EXAMPLES = [
  "Explain how a bicycle stays upright.",
  "Write a haiku about the sea.",
  "Give me three names for a bakery.",
];

export class ChatView {
  // `settled()` is when the parameters that were changed are saved: a reply is written with them.
  constructor({ call, toasts, onChange, entries, picker, settled, onTitle, onDraft }) {
    Object.assign(this, { call, toasts, onChange, entries, picker, settled, onTitle });
    this.conversation = null;
    // The conversation the person turned to, which may still be on its way; null is a new one.
    this.wanted = null;
    this.generationId = null;
    // Counts what the person turned to; an answer that belongs to an earlier visit is not shown.
    this.visit = 0;
    this.changes = 0;
    this.card = new StarterCard({ call, toasts, onChange });
    this.promise = element("p");
    this.thread = new Thread({
      call,
      toasts,
      onRegenerate: (id) => this.change("chat_regenerate", { message_id: id }),
      onContinue: (id) => this.change("chat_continue", { message_id: id }),
      onEdit: (view, text) => this.edit(view, text),
      onVersion: (id) => this.change("chat_version", { message_id: id }),
      onStreaming: (generationId, state) => this.onStreaming(generationId, state),
      onLost: () => this.reload(),
      onChooseModel: () => this.picker.open(),
    });
    this.tools = new ToolsMenu({ call, toasts });
    this.composer = new Composer({ toasts, tools: this.tools.node, onSend: (text) => this.send(text), onStop: () => this.stop(), onInput: onDraft });
    this.announcer = element("div", { class: "off-screen", "aria-live": "polite" });
    this.node = element("div", { class: "view chat-view" }, this.thread.node, this.composer.node, this.announcer);
  }

  // --- as one of the page's views ---

  get address() {
    return this.conversation ? `?c=${this.conversation.id}` : "";
  }

  get title() {
    return this.conversation?.title ?? "";
  }

  // What is written but not sent.
  get draft() {
    return this.composer.field.value;
  }

  show() {
    this.isShown = true;
  }

  hide() {
    this.isShown = false;
  }

  focus() {
    if (this.isShown) this.composer.focus();
  }

  // What is open already stays as it is.
  async openAddress(parameters) {
    const id = parameters.get("c");
    if (id === this.wanted) return;
    if (id) await this.open(id, { keepAddress: true });
    else this.startNew({ keepAddress: true });
  }

  async onReturn() {
    if (!this.generationId && this.conversation) await this.reload();
  }

  // `visit` is of the time when the state was asked for.
  async update(state, visit) {
    this.state = state;
    this.showEmpty();
    if (visit === this.visit) await this.catchUp(state.revision);
  }

  // Nobody is taken back from another view by an answer that arrives late.
  go(address) {
    if (this.isShown && location.search !== address) history.pushState(null, "", address || location.pathname);
  }

  // --- conversations ---

  async open(id, { keepAddress = false } = {}) {
    if (id === this.conversation?.id && id === this.wanted) {
      this.go(this.address);
      await this.onReturn();
      return;
    }
    const visit = ++this.visit;
    this.wanted = id;
    this.thread.clear();
    // Before it is there: what is typed meanwhile belongs to it.
    this.composer.openDraft(id);
    try {
      const thread = await this.call("chat_open", { id, known: [] });
      if (visit === this.visit) this.showThread(thread, { keepAddress });
    } catch (error) {
      this.toasts.error(error);
      if (visit === this.visit) this.startNew();
    }
  }

  // What a search leaves out is shown again: the new conversation would not be there.
  newChat() {
    this.entries.clearSearch();
    this.startNew();
  }

  startNew({ keepAddress = false } = {}) {
    this.visit += 1;
    this.conversation = null;
    this.wanted = null;
    this.thread.clear();
    if (!keepAddress) this.go("");
    this.entries.mark(null);
    this.composer.openDraft("new");
    this.tools.open(null);
    this.onTitle();
    this.showEmpty();
    this.focus();
  }

  showThread(thread, { keepAddress = false, isReply = false, toEnd = true } = {}) {
    const isOther = this.conversation?.id !== thread.conversation.id;
    this.conversation = thread.conversation;
    this.wanted = thread.conversation.id;
    if (!keepAddress) this.go(this.address);
    this.thread.show(thread, toEnd);
    this.entries.mark(thread.conversation.id);
    if (isOther && isReply) {
      this.composer.moveDraft(thread.conversation.id);
      this.tools.moveTo(thread.conversation.id);
    } else if (isOther) {
      this.tools.open(thread.conversation.id);
    }
    this.onTitle();
    this.showEmpty();
  }

  // True when the conversation stands as the program has it, or the person has left it.
  async reload() {
    if (!this.conversation) return true;
    const { visit } = this;
    try {
      const known = this.thread.known.filter((id) => this.thread.views.get(id).state !== "streaming");
      const thread = await this.call("chat_open", { id: this.conversation.id, known });
      const isNew = thread.conversation.revision !== this.conversation?.revision || Object.keys(thread.messages).length;
      if (visit === this.visit && isNew) this.showThread(thread, { keepAddress: true, toEnd: false });
      return true;
    } catch (error) {
      if (visit !== this.visit) return true;
      if (error.code !== "unreachable") this.toasts.error(error);
      if (error.code === "not_found") this.startNew();
      return error.code === "not_found";
    }
  }

  async send(text) {
    this.entries.clearSearch();
    const { ids, mode } = this.tools.chosen;
    return this.change("chat_send", { id: this.conversation?.id ?? null, text, tools: ids, tool_mode: mode });
  }

  async edit({ id, role }, text) {
    if (await this.change(role === "user" ? "chat_edit" : "chat_edit_reply", { message_id: id, text })) this.focus();
  }

  // Every change says which revision it was made from; true when it was accepted.
  async change(name, values) {
    const { visit } = this;
    this.changes += 1;
    const base = { id: this.conversation?.id, revision: this.conversation?.revision ?? 0, known: this.thread.known };
    try {
      await this.settled();
      const thread = await this.call(name, { ...base, model: this.picker.current, ...values });
      if (visit === this.visit) this.showThread(thread, { isReply: true, toEnd: name !== "chat_version" });
      this.entries.refresh();
      this.onChange();
      return true;
    } catch (error) {
      this.toasts.error(error);
      if (error.code === "conflict" && visit === this.visit) await this.reload();
      return false;
    } finally {
      this.changes -= 1;
    }
  }

  async stop() {
    if (!this.generationId) return;
    try {
      await this.call("chat_stop", { generation_id: this.generationId });
    } catch (error) {
      this.toasts.error(error);
    }
  }

  onStreaming(generationId, endState) {
    const ended = this.generationId && !generationId && endState;
    this.generationId = generationId;
    this.composer.setWriting(Boolean(generationId));
    if (generationId) this.announcer.textContent = "Parlor is answering.";
    if (ended) {
      this.announcer.textContent = endState === "failed" ? "The reply failed." : "The reply is complete.";
      this.onChange();
    }
  }

  // Its title or folder has changed.
  onConversation(changed) {
    if (this.conversation?.id !== changed.id) return;
    this.conversation = changed;
    this.onTitle();
  }

  onDeleted(id) {
    if (id === this.conversation?.id) this.startNew();
  }

  // Another tab may have changed the open conversation; what this page changes itself comes with the answer to that.
  async catchUp(revision) {
    if (!revision || !this.conversation || this.changes || this.generationId) return;
    if (revision > this.conversation.revision && (await this.reload())) this.entries.refresh();
  }

  // --- nothing there yet ---

  showEmpty() {
    const box = this.thread.empty;
    box.hidden = Boolean(this.conversation);
    if (box.hidden || !this.state) return;
    const hasModel = this.state.models.some((model) => (model.format !== "echo" && !model.problem) || model.state === "ready");
    if (!hasModel) {
      this.card.show(this.state);
      if (!box.contains(this.card.node)) box.replaceChildren(this.card.node);
    } else if (!box.querySelector(".welcome")) {
      box.replaceChildren(this.welcome());
    }
    this.promise.textContent = promiseOf(this.picker.model(this.picker.current));
  }

  welcome() {
    const example = (text) => element("button", { type: "button", class: "example", text, onclick: () => this.useExample(text) });
    return element(
      "div",
      { class: "welcome" },
      element("h1", { text: "What is on your mind?" }),
      this.promise,
      element("div", { class: "examples" }, ...EXAMPLES.map(example)),
    );
  }

  useExample(text) {
    this.composer.put(text);
    this.composer.focus();
  }
}

// Where a message will go.
function promiseOf(model) {
  return model?.server ? `What you write goes to the server ${model.server}.` : "Everything you write stays on this machine.";
}
