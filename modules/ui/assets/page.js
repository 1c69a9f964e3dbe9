// The page: the side bar, the top bar, and the view that the address names.

import { ChatView } from "./chat.js";
import { conversationList } from "./conversations.js";
import { documentList } from "./documents.js";
import { element, icon, iconButton } from "./dom.js";
import { ExtensionOffers } from "./extension_offers.js";
import { ExtensionPanels } from "./extension_panels.js";
import { ExtensionTab } from "./extension_tab.js";
import { ExtensionsView } from "./extensions.js";
import { FinetuneView } from "./finetune.js";
import { ModelsView } from "./models.js";
import { NotebookView } from "./notebook.js";
import { ParamsPanel } from "./params.js";
import { ModelPicker } from "./picker.js";
import { callsTo } from "./server.js";
import { Sidebar } from "./sidebar.js";
import { TemplatesView } from "./templates.js";
import { Toasts } from "./toasts.js";

const BUSY_POLL_MS = 1000;
const IDLE_POLL_MS = 5000;
const WRITTEN_WITH_PARAMETERS = ["chat", "notebook"];
// The program's own tabs are among those that extensions give.
const OWN = "parlor";

// `titles` of the page's own views, by their names and in their order.
export function mount(root, server, titles) {
  const page = new Page(callsTo(server), titles);
  // Gradio's own would be a main around ours.
  root.closest("main")?.setAttribute("role", "presentation");
  root.replaceChildren(page.node);
  page.start();
}

class Page {
  constructor(call, titles) {
    Object.assign(this, { call, titles });
    this.toasts = new Toasts({ onCutOff: (error) => this.showCutOff(error) });
    const shared = { call, toasts: this.toasts, onChange: () => this.look() };
    this.conversations = conversationList({
      call,
      toasts: this.toasts,
      onOpen: (id) => this.openChat(id),
      onNew: () => this.newChat(),
      onRenamed: (renamed) => this.chat.onConversation(renamed),
      onMoved: (moved) => this.chat.onConversation(moved),
      onDeleted: (id) => this.chat.onDeleted(id),
      onRestored: (id) => this.openChat(id),
    });
    this.documents = documentList({
      call,
      toasts: this.toasts,
      onOpen: (id) => this.openDocument(id),
      onNew: () => this.newDocument(),
      onRenamed: (renamed) => this.notebook.onDocument(renamed),
      onMoved: (moved) => this.notebook.onDocument(moved),
      onFoldersMoved: () => this.notebook.onFoldersMoved(),
      onDeleted: (id) => this.notebook.onDeleted(id),
      onRestored: (id) => this.openDocument(id),
    });
    this.sidebar = new Sidebar({ parts: { chat: this.conversations.list, notebook: this.documents.list }, onView: (name) => this.turnTo(name) });
    this.picker = new ModelPicker({ ...shared, onManage: () => this.turnTo("models") });
    const settled = () => this.params.settled();
    this.chat = new ChatView({
      ...shared,
      entries: this.conversations,
      picker: this.picker,
      settled,
      onTitle: () => this.showTitle(),
      onDraft: () => this.params.follow(),
    });
    this.notebook = new NotebookView({
      ...shared,
      picker: this.picker,
      documents: this.documents,
      settled,
      onTitle: () => this.showTitle(),
      onSaved: () => this.params.follow(),
      onToChat: (text) => this.writeInChat(text),
    });
    this.params = new ParamsPanel({ ...shared, place: () => this.place(), onLoad: () => this.picker.select(this.picker.current) });
    this.models = new ModelsView({ ...shared, onTalk: (id) => this.talkTo(id), onOpen: () => this.turnTo("models"), selected: () => this.picker.current });
    this.templates = new TemplatesView({ ...shared, picker: this.picker });
    this.finetune = new FinetuneView({ ...shared, onTalk: (id) => this.talkTo(id), onModels: () => this.turnTo("models") });
    this.extensions = new ExtensionsView({ ...shared, onSwitched: () => this.offers.look() });
    this.offers = new ExtensionOffers({ toasts: this.toasts, onOffers: (offers) => this.takeOffers(offers) });
    this.panels = new ExtensionPanels({ conversation: () => this.chat.conversation?.id, onOpen: () => this.params.isShown && this.params.toggle() });
    this.params.opener.addEventListener("click", () => this.panels.close());
    this.views = { chat: this.chat, notebook: this.notebook, templates: this.templates, models: this.models, finetune: this.finetune, extensions: this.extensions };
    this.viewsNode = element("div", { class: "views" }, ...Object.values(this.views).map((view) => view.node));
    this.own = this.views;
    this.sidebar.showViews(titles);
    this.banner = element("div", { class: "banner", role: "status", hidden: true });
    this.opener = iconButton("menu", "", () => this.sidebar.showDrawer(true), "drawer-open");
    this.toNotebook = iconButton("notebook", "To notebook: this conversation as a document", () => this.chatToNotebook());
    this.themeButton = iconButton("moon", "Dark or light", () => this.toggleTheme());
    this.node = element(
      "div",
      { class: "page" },
      this.sidebar.node,
      this.sidebar.scrim,
      element(
        "main",
        { class: "main" },
        element(
          "header",
          { class: "top-bar" },
          this.opener,
          this.picker.node,
          element("span", { class: "spacer" }),
          this.toNotebook,
          this.models.downloads.sign,
          this.panels.opener,
          this.params.opener,
          this.themeButton,
        ),
        this.banner,
        element(
          "div",
          { class: "workplace" },
          this.viewsNode,
          this.panels.node,
          this.params.node,
        ),
      ),
      this.models.loader.node,
      this.toasts.node,
    );
  }

  async start() {
    const systemDark = matchMedia("(prefers-color-scheme: dark)");
    const showChosen = () => this.showTheme(localStorage.getItem("theme") ?? (systemDark.matches ? "dark" : "light"));
    showChosen();
    systemDark.addEventListener("change", showChosen);
    document.addEventListener("keydown", (event) => this.onKey(event));
    for (const name of ["dragover", "drop"]) document.addEventListener(name, (event) => this.onStrayFile(event));
    document.addEventListener("visibilitychange", () => !document.hidden && this.onReturn());
    window.addEventListener("focus", () => this.onReturn());
    window.addEventListener("popstate", () => this.followAddress());
    this.chat.startNew({ keepAddress: true });
    const looks = [this.look(), this.conversations.refresh(), this.models.downloads.look()];
    // The address may name a tab of an extension.
    if (isOfExtension(new URLSearchParams(location.search).get("view"))) await this.offers.look();
    else looks.push(this.offers.look());
    await Promise.all([...looks, this.followAddress()]);
    // Whoever has begun to do something meanwhile goes on with it.
    if (this.shown !== this.models && document.activeElement === document.body) this.shown.focus();
  }

  // --- views ---

  // A view that is away goes on: a reply is written, a search stays as it was.
  showView(name) {
    for (const [other, view] of Object.entries(this.views)) {
      view.node.classList.toggle("away", other !== name);
      if (other === name) view.show();
      else view.hide();
    }
    this.shown = this.views[name];
    this.sidebar.markView(name);
    this.opener.setAttribute("aria-label", this.sidebar.part.words.title);
    this.params.allow(WRITTEN_WITH_PARAMETERS.includes(name));
    this.panels.allow(name === "chat");
    this.showTitle();
  }

  turnTo(name) {
    this.showView(name);
    const { address } = this.shown;
    if (location.search !== address) history.pushState(null, "", address || location.pathname);
    this.shown.focus();
  }

  async followAddress() {
    const parameters = new URLSearchParams(location.search);
    const view = parameters.get("view");
    const name = Object.hasOwn(this.views, view) ? view : "chat";
    this.showView(name);
    await this.views[name].openAddress(parameters);
  }

  // Tabs of extensions come and go; those that stay keep what was typed in them.
  takeOffers({ tabs, panels, commands }) {
    const titles = { ...this.titles };
    const views = { ...this.own };
    for (const tab of tabs.filter((one) => one.extension !== OWN)) {
      const key = `${tab.extension}/${tab.name}`;
      titles[key] = tab.title;
      views[key] = this.views[key] ?? new ExtensionTab(tab, { key, conversation: () => this.chat.conversation?.id });
      views[key].take(tab);
    }
    for (const [key, view] of Object.entries(this.views)) if (!views[key]) view.node.remove();
    for (const view of Object.values(views)) if (!this.viewsNode.contains(view.node)) this.viewsNode.append(view.node);
    this.views = views;
    this.sidebar.showViews(titles);
    this.panels.take(panels);
    this.chat.composer.commands.take(commands);
    if (this.shown && !Object.values(views).includes(this.shown)) this.turnTo("extensions");
  }

  async openChat(id) {
    this.sidebar.showDrawer(false);
    this.showView("chat");
    await this.chat.open(id);
    this.chat.focus();
  }

  newChat() {
    this.sidebar.showDrawer(false);
    this.showView("chat");
    this.chat.newChat();
  }

  writeInChat(text) {
    this.newChat();
    this.chat.composer.put(text);
    this.chat.focus();
  }

  async openDocument(id) {
    this.sidebar.showDrawer(false);
    this.showView("notebook");
    await this.notebook.open(id);
    this.notebook.focus();
  }

  newDocument() {
    this.sidebar.showDrawer(false);
    this.showView("notebook");
    this.notebook.startNew();
  }

  async chatToNotebook() {
    try {
      const { document: made } = await this.call("notebook_from_chat", { conversation: this.chat.conversation.id });
      await this.openDocument(made.id);
    } catch (error) {
      this.toasts.error(error);
    }
  }

  async talkTo(id) {
    await this.picker.select(id);
    this.turnTo("chat");
  }

  showTitle() {
    const title = this.shown?.title;
    this.toNotebook.hidden = this.shown !== this.chat || !this.chat.conversation;
    document.title = title ? `${title} – Parlor` : "Parlor";
    this.params.follow();
    this.panels.follow();
  }

  // A browser opens a file that nothing takes in place of the page, with all that is written there.
  onStrayFile(event) {
    const isTaken = event.defaultPrevented || event.target.closest("input[type=file]");
    if (isTaken || !event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    if (event.type === "drop") this.toasts.show("Files are not taken here. The extension Documents answers from them.");
  }

  // Where the person is, for the parameters that hold there.
  place() {
    const model = this.picker.current;
    const chosen = { model, modelTitle: (this.picker.state && this.picker.model(model)?.title) ?? model };
    if (this.shown === this.notebook) {
      const { id, view } = this.notebook.document;
      return { ...chosen, document: id, isNotebook: true, revision: view.version };
    }
    const { conversation, draft } = this.chat;
    return {
      ...chosen,
      conversation: conversation?.id,
      revision: conversation?.revision,
      draft,
    };
  }

  // --- the program's state ---

  async look() {
    clearTimeout(this.timer);
    let wait = IDLE_POLL_MS;
    try {
      const { visit } = this.chat;
      const state = await this.call("chat_state", { id: this.chat.conversation?.id });
      const fetched = this.wasFetching && state.starter.present;
      this.wasFetching = state.starter.job?.state === "running";
      this.picker.update(state);
      this.models.update(state);
      this.showBanner(state);
      await Promise.all([this.chat.update(state, visit), this.notebook.update()]);
      await this.params.follow();
      if (fetched && !state.models.some((one) => one.state === "ready" || one.state === "loading")) {
        await this.picker.select("starter");
        wait = 0;
      }
      if (this.wasFetching || this.picker.isLoading) wait = BUSY_POLL_MS;
    } catch (error) {
      this.showCutOff(error);
      wait = BUSY_POLL_MS * 3;
    }
    clearTimeout(this.timer);
    this.timer = setTimeout(() => (document.hidden ? null : this.look()), wait);
  }

  async onReturn() {
    await Promise.all([this.look(), this.conversations.refresh(), this.shown.onReturn(), this.params.refresh(), this.offers.look()]);
  }

  showBanner({ notices, persistent }) {
    this.showNotices(persistent ? notices : ["Chats are not being saved.", ...notices]);
  }

  showNotices(lines) {
    this.fillBanner(lines.map((text) => element("p", { text })));
  }

  // Told once, however many calls fail, until one succeeds.
  showCutOff({ message, code }) {
    if (this.banner.textContent.startsWith(message)) return;
    const signIn = element("button", { type: "button", class: "quiet-button", text: "Sign in", onclick: () => location.reload() });
    this.fillBanner([element("p", { role: "alert", text: message }), code === "signed_out" ? signIn : null]);
  }

  fillBanner(nodes) {
    this.banner.hidden = !nodes.length;
    this.banner.replaceChildren(...nodes.filter(Boolean));
  }

  // --- keys and theme ---

  onKey(event) {
    // An open dialog has the keys to itself.
    if (document.querySelector("dialog[open]")) return;
    const isTyping = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName);
    // Escape means the innermost thing: what an open panel or editor took is not meant for the reply.
    if (event.key === "Escape" && [this.chat, this.notebook].includes(this.shown) && !event.defaultPrevented) this.shown.stop();
    else if (event.ctrlKey && event.shiftKey && event.key.toLowerCase() === "o") {
      event.preventDefault();
      if (this.shown === this.notebook) this.newDocument();
      else this.newChat();
    } else if (event.key === "/" && !isTyping) {
      event.preventDefault();
      this.sidebar.focusSearch();
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

function isOfExtension(view) {
  return view?.includes("/");
}
