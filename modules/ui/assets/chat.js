// The chat page: puts the parts together and keeps them in step with the program.

import { Composer } from "./composer.js";
import { element, icon, iconButton } from "./dom.js";
import { ModelPicker, StarterCard } from "./models.js";
import { callsTo } from "./server.js";
import { Sidebar } from "./sidebar.js";
import { Thread } from "./thread.js";
import { Toasts } from "./toasts.js";

const BUSY_POLL_MS = 1000;
const IDLE_POLL_MS = 5000;
const EXAMPLES = [
  "Explain how a bicycle stays upright.",
  "Write a haiku about the sea.",
  "Give me three names for a bakery.",
];

export function mount(root, server) {
  const page = new ChatPage(callsTo(server));
  root.replaceChildren(page.node);
  page.start();
}

class ChatPage {
  constructor(call) {
    this.call = call;
    this.conversation = null;
    this.generationId = null;
    // Counts what the person turned to; an answer that belongs to an earlier visit is not shown.
    this.visit = 0;
    this.changes = 0;
    this.toasts = new Toasts();
    const shared = { call, toasts: this.toasts };
    this.sidebar = new Sidebar({
      ...shared,
      onOpen: (id) => this.open(id),
      onNew: () => this.newChat(),
      onRenamed: (renamed) => this.onRenamed(renamed),
      onDeleted: (id) => id === this.conversation?.id && this.startNew(),
      onRestored: (id) => this.open(id).then(() => this.composer.focus()),
    });
    this.picker = new ModelPicker({ ...shared, onChange: () => this.look() });
    this.card = new StarterCard({ ...shared, onChange: () => this.look() });
    this.thread = new Thread({
      ...shared,
      onRegenerate: (id) => this.change("chat_regenerate", { message_id: id }),
      onEdit: (id, text) => this.edit(id, text),
      onVersion: (id) => this.change("chat_version", { message_id: id }),
      onStreaming: (generationId, state) => this.onStreaming(generationId, state),
      onLost: () => this.reload(),
      onChooseModel: () => this.picker.open(),
    });
    this.composer = new Composer({ toasts: this.toasts, onSend: (text) => this.send(text), onStop: () => this.stop() });
    this.banner = element("div", { class: "banner", role: "status", hidden: true });
    this.announcer = element("div", { class: "off-screen", "aria-live": "polite" });
    this.themeButton = iconButton("moon", "Dark or light", () => this.toggleTheme());
    this.node = element(
      "div",
      { class: "chat-page" },
      this.sidebar.node,
      this.sidebar.scrim,
      element(
        "main",
        { class: "main" },
        element(
          "header",
          { class: "top-bar" },
          iconButton("menu", "Conversations", () => this.sidebar.showDrawer(true), "drawer-open"),
          this.picker.node,
          element("span", { class: "spacer" }),
          this.themeButton,
        ),
        this.banner,
        this.thread.node,
        this.composer.node,
      ),
      this.toasts.node,
      this.announcer,
    );
  }

  async start() {
    const systemDark = matchMedia("(prefers-color-scheme: dark)");
    const showChosen = () => this.showTheme(localStorage.getItem("theme") ?? (systemDark.matches ? "dark" : "light"));
    showChosen();
    systemDark.addEventListener("change", showChosen);
    document.addEventListener("keydown", (event) => this.onKey(event));
    document.addEventListener("visibilitychange", () => !document.hidden && this.onReturn());
    window.addEventListener("focus", () => this.onReturn());
    window.addEventListener("popstate", () => this.openAddress());
    this.startNew({ keepAddress: true });
    await Promise.all([this.look(), this.sidebar.refresh(), this.openAddress()]);
    this.composer.focus();
  }

  // --- conversations ---

  async openAddress() {
    const id = new URLSearchParams(location.search).get("c");
    if (id) await this.open(id, { keepAddress: true });
    else if (this.conversation) this.startNew({ keepAddress: true });
  }

  async open(id, { keepAddress = false } = {}) {
    const visit = ++this.visit;
    this.thread.clear();
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
    this.sidebar.clearSearch();
    this.startNew();
  }

  startNew({ keepAddress = false } = {}) {
    this.visit += 1;
    this.conversation = null;
    this.thread.clear();
    if (!keepAddress && location.search) history.pushState(null, "", location.pathname);
    this.sidebar.mark(null);
    this.composer.openDraft("new");
    this.showTitle();
    this.showEmpty();
    this.composer.focus();
  }

  showThread(thread, { keepAddress = false, isReply = false, toEnd = true } = {}) {
    const isOther = this.conversation?.id !== thread.conversation.id;
    this.conversation = thread.conversation;
    const address = `?c=${thread.conversation.id}`;
    if (!keepAddress && location.search !== address) history.pushState(null, "", address);
    this.thread.show(thread, toEnd);
    this.sidebar.mark(thread.conversation.id);
    if (isOther && isReply) this.composer.moveDraft(thread.conversation.id);
    else if (isOther) this.composer.openDraft(thread.conversation.id);
    this.showTitle();
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
    this.sidebar.clearSearch();
    const model = this.picker.current;
    return this.change("chat_send", { id: this.conversation?.id ?? null, text, model });
  }

  async edit(id, text) {
    if (await this.change("chat_edit", { message_id: id, text })) this.composer.focus();
  }

  // Every change says which revision it was made from; true when it was accepted.
  async change(name, values) {
    const { visit } = this;
    this.changes += 1;
    const base = { id: this.conversation?.id, revision: this.conversation?.revision ?? 0, known: this.thread.known };
    try {
      const thread = await this.call(name, { ...base, model: this.picker.current, ...values });
      if (visit === this.visit) this.showThread(thread, { isReply: true, toEnd: name !== "chat_version" });
      this.sidebar.refresh();
      this.look();
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
      this.look();
    }
  }

  onRenamed(renamed) {
    if (this.conversation?.id !== renamed.id) return;
    this.conversation = renamed;
    this.showTitle();
  }

  async onReturn() {
    await Promise.all([this.look(), this.sidebar.refresh()]);
    if (!this.generationId && this.conversation) await this.reload();
  }

  // --- the program's state ---

  async look() {
    clearTimeout(this.timer);
    let wait = IDLE_POLL_MS;
    try {
      const { visit } = this;
      const state = await this.call("chat_state", { id: this.conversation?.id });
      const fetched = this.wasFetching && state.starter.present;
      this.wasFetching = state.starter.job?.state === "running";
      this.state = state;
      this.picker.show(state);
      this.showBanner(state);
      this.showEmpty();
      if (visit === this.visit) await this.catchUp(state.revision);
      if (fetched && state.model.state === "none") {
        await this.call("chat_load", { model: "starter" });
        wait = 0;
      }
      if (this.wasFetching || state.model.state === "loading") wait = BUSY_POLL_MS;
    } catch (error) {
      this.showNotices([error.message]);
      wait = BUSY_POLL_MS * 3;
    }
    this.timer = setTimeout(() => (document.hidden ? null : this.look()), wait);
  }

  // Another tab may have changed the open conversation; what this page changes itself comes with the answer to that.
  async catchUp(revision) {
    if (!revision || !this.conversation || this.changes || this.generationId) return;
    if (revision > this.conversation.revision && (await this.reload())) this.sidebar.refresh();
  }

  showBanner({ notices, persistent }) {
    this.showNotices(persistent ? notices : ["Chats are not being saved.", ...notices]);
  }

  showNotices(lines) {
    this.banner.hidden = !lines.length;
    this.banner.replaceChildren(...lines.map((text) => element("p", { text })));
  }

  showEmpty() {
    const box = this.thread.empty;
    box.hidden = Boolean(this.conversation);
    if (box.hidden || !this.state) return;
    const hasModel = this.state.models.some((model) => model.format !== "echo" && !model.problem) || this.state.model.id === "echo";
    if (!hasModel) {
      this.card.show(this.state);
      if (!box.contains(this.card.node)) box.replaceChildren(this.card.node);
    } else if (!box.querySelector(".welcome")) {
      box.replaceChildren(this.welcome());
    }
  }

  welcome() {
    const example = (text) => element("button", { type: "button", class: "example", text, onclick: () => this.useExample(text) });
    return element(
      "div",
      { class: "welcome" },
      element("h1", { text: "What is on your mind?" }),
      element("p", { text: "Everything you write stays on this machine." }),
      element("div", { class: "examples" }, ...EXAMPLES.map(example)),
    );
  }

  useExample(text) {
    this.composer.put(text);
    this.composer.focus();
  }

  showTitle() {
    document.title = this.conversation ? `${this.conversation.title} – Parlor` : "Parlor";
  }

  // --- keys and theme ---

  onKey(event) {
    const isTyping = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName);
    // Escape means the innermost thing: what an open panel or editor took is not meant for the reply.
    if (event.key === "Escape" && this.generationId && !event.defaultPrevented) this.stop();
    else if (event.ctrlKey && event.shiftKey && event.key.toLowerCase() === "o") {
      event.preventDefault();
      this.newChat();
    } else if (event.key === "/" && !isTyping) {
      event.preventDefault();
      this.sidebar.showDrawer(true);
      this.sidebar.search.focus();
    }
  }

  toggleTheme() {
    const theme = document.body.classList.contains("dark") ? "light" : "dark";
    localStorage.setItem("theme", theme);
    this.showTheme(theme);
  }

  showTheme(theme) {
    document.body.classList.toggle("dark", theme === "dark");
    document.documentElement.style.colorScheme = theme;
    this.themeButton.replaceChildren(icon(theme === "dark" ? "sun" : "moon"));
  }
}
