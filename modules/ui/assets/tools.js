// Which tools the open conversation has: a button beside the message field, and what it opens.

import { element, icon } from "./dom.js";
import { Menu } from "./menu.js";

const NOTHING = { ids: [], mode: "free" };
const MODES = [
  ["free", "The model decides when to call"],
  ["first", "Call one before each answer (for small models)"],
];

export class ToolsMenu {
  constructor({ call, toasts }) {
    Object.assign(this, { call, toasts });
    this.conversation = null;
    this.tools = [];
    this.chosen = NOTHING;
    this.count = element("span", { class: "tools-count", "aria-hidden": "true" });
    this.button = element("button", { type: "button", class: "icon-button tools-button" }, icon("tool"), this.count);
    this.menu = new Menu(this.button, () => this.items(), { label: "Tools of this conversation", side: "right up" });
    this.node = this.menu.node;
    this.node.classList.add("tools-menu");
    this.button.addEventListener("click", () => this.refresh());
    this.showCount();
  }

  // `id` is null for a conversation that is not begun: what is chosen then goes with its first message.
  async open(id) {
    this.conversation = id;
    if (!id) this.chosen = NOTHING;
    await this.refresh();
  }

  // A new conversation got its id, and what was chosen for it.
  moveTo(id) {
    this.conversation = id;
  }

  async refresh() {
    const { conversation: id, chosen: before } = this;
    try {
      const { tools, ids, mode } = await this.call("chat_tools", { id });
      if (id !== this.conversation) return;
      this.tools = tools;
      // What was chosen meanwhile stays chosen.
      if (id && this.chosen === before) this.chosen = { ids, mode };
      this.showCount();
      if (!this.menu.panel.hidden) this.redraw();
    } catch (error) {
      if (error.code !== "not_found") this.toasts.error(error);
    }
  }

  get on() {
    return this.tools.filter((one) => this.chosen.ids.includes(one.id));
  }

  showCount() {
    const count = this.on.length;
    this.node.hidden = !this.tools.length;
    this.count.textContent = count || "";
    this.button.classList.toggle("on", count > 0);
    const label = count ? `Tools: ${count} on` : "Tools";
    this.button.setAttribute("aria-label", label);
    this.button.title = label;
  }

  redraw() {
    const focused = document.activeElement?.dataset.choice;
    this.menu.panel.replaceChildren(...this.items());
    if (focused) [...this.menu.panel.querySelectorAll("[data-choice]")].find((one) => one.dataset.choice === focused)?.focus();
  }

  items() {
    const tools = this.tools.map((one) => this.choice("checkbox", one.id, one.title, one.description, this.chosen.ids.includes(one.id), () => this.turn(one.id)));
    if (!this.on.length) return [heading("Tools"), ...tools];
    const modes = MODES.map(([mode, title]) => this.choice("radio", mode, title, "", mode === this.chosen.mode, () => this.choose({ ...this.chosen, mode })));
    return [heading("Tools"), ...tools, element("hr", {}), ...modes];
  }

  choice(role, key, title, hint, isOn, action) {
    return element(
      "button",
      { type: "button", class: "menu-item tool-choice", role, "aria-checked": String(isOn), "data-choice": key, "data-stays": true, onclick: action },
      element("span", { class: `tool-mark ${role}`, "aria-hidden": "true" }),
      element("span", { class: "tool-words" }, element("span", { dir: "auto", text: title }), hint ? element("span", { class: "menu-hint", dir: "auto", text: hint }) : null),
    );
  }

  turn(id) {
    const { ids, mode } = this.chosen;
    return this.choose({ ids: ids.includes(id) ? ids.filter((one) => one !== id) : [...ids, id], mode });
  }

  async choose(chosen) {
    const { conversation, chosen: before } = this;
    this.chosen = chosen;
    this.showCount();
    this.redraw();
    if (!conversation) return;
    try {
      await this.call("chat_choose_tools", { id: conversation, tools: chosen.ids, tool_mode: chosen.mode });
    } catch (error) {
      this.toasts.error(error);
      if (conversation !== this.conversation) return;
      this.chosen = before;
      this.showCount();
      this.redraw();
    }
  }
}

function heading(text) {
  return element("p", { class: "menu-group", text });
}
