// The messages of the open conversation.

import { copyButton, copyText, element, icon, iconButton } from "./dom.js";
import { ReplyStream } from "./stream.js";
import { ToolCard } from "./tool_card.js";
import { speedNumber } from "./words.js";

const NEAR_END_PX = 80;
const EARLIER_AT_ONCE = 60;
const RETRY_MS = 1000;
const LONGEST_RETRY_MS = 16000;

export class Thread {
  constructor({ call, toasts, onRegenerate, onContinue, onEdit, onVersion, onStreaming, onLost, onChooseModel }) {
    Object.assign(this, { call, toasts, onRegenerate, onContinue, onEdit, onVersion, onStreaming, onLost, onChooseModel });
    this.views = new Map();
    this.path = [];
    this.stream = null;
    this.earlier = element("button", { type: "button", class: "earlier", text: "Show earlier messages", onclick: () => this.showEarlier() });
    this.list = element("div", { class: "messages" });
    this.empty = element("div", { class: "empty" });
    this.jump = element("button", { type: "button", class: "jump", "aria-label": "Jump to latest", onclick: () => this.scrollToEnd() }, icon("down"));
    this.scroller = element("div", { class: "scroller" }, this.empty, this.earlier, this.list);
    this.scroller.addEventListener("scroll", () => this.watchScroll(), { passive: true });
    this.node = element("section", { class: "thread", "aria-label": "Conversation" }, this.scroller, this.jump);
    this.node.addEventListener("click", copyCode);
    this.isAtEnd = true;
    this.lastTop = 0;
    this.losses = 0;
    // Messages out of sight have only a guessed height until they are drawn.
    new ResizeObserver(() => this.keepAtEnd()).observe(this.list);
  }

  get known() {
    return [...this.views.keys()];
  }

  clear() {
    this.leaveStream();
    this.losses = 0;
    this.views.clear();
    this.path = [];
    this.list.replaceChildren();
    this.earlier.hidden = true;
    this.onStreaming(null);
  }

  leaveStream() {
    clearTimeout(this.retry);
    this.stream?.close();
    this.stream = null;
  }

  // Only what changed is made anew: messages that stay keep their elements, selection and open folds.
  show({ path, messages, siblings }, toEnd) {
    this.leaveStream();
    for (const [id, view] of Object.entries(messages)) this.views.set(id, view);
    for (const [id, ids] of Object.entries(siblings)) if (this.views.has(id)) this.views.get(id).siblings = ids;
    const arrow = this.focusedArrow();
    const kept = new Map([...this.list.children].map((node) => [node.dataset.id, node]));
    this.path = path;
    const shown = path.filter((id) => this.views.has(id));
    const nodes = shown.map((id) => (kept.has(id) && !(id in messages) ? kept.get(id) : this.message(this.views.get(id))));
    this.list.replaceChildren(...nodes);
    this.earlier.hidden = shown.length === path.length;
    this.markLast();
    this.focusArrow(arrow);
    const last = this.views.get(path.at(-1));
    if (last?.generation_id) this.follow(last);
    else this.onStreaming(null, last?.state);
    if (toEnd) this.scrollToEnd();
    else this.keepAtEnd();
  }

  async showEarlier() {
    const missing = this.path.filter((id) => !this.views.has(id)).slice(-EARLIER_AT_ONCE);
    try {
      const { messages } = await this.call("chat_messages", { ids: missing });
      const before = this.scroller.scrollHeight - this.scroller.scrollTop;
      for (const [id, view] of Object.entries(messages)) this.views.set(id, view);
      this.list.prepend(...missing.map((id) => this.message(this.views.get(id))));
      this.earlier.hidden = this.path.every((id) => this.views.has(id));
      this.scroller.scrollTop = this.scroller.scrollHeight - before;
    } catch (error) {
      this.toasts.error(error);
    }
  }

  follow(view) {
    const body = this.list.lastElementChild.querySelector(".body");
    this.onStreaming(view.generation_id);
    this.stream = new ReplyStream(view.generation_id, body, {
      onGrow: () => this.grew(),
      onEnd: (final) => this.finish(final),
      onLost: () => this.recover(),
      onDecide: (callId, decision) => this.ask("chat_decide", { generation_id: view.generation_id, call_id: callId, decision }),
      onCancel: (callId) => this.ask("chat_cancel_call", { generation_id: view.generation_id, call_id: callId }),
    });
  }

  async ask(name, values) {
    try {
      await this.call(name, values);
    } catch (error) {
      this.toasts.error(error);
    }
  }

  grew() {
    this.losses = 0;
    this.keepAtEnd();
  }

  // Asks for the conversation again, ever more patiently, until it is there.
  recover() {
    const wait = Math.min(RETRY_MS * 2 ** this.losses, LONGEST_RETRY_MS);
    this.losses += 1;
    this.retry = setTimeout(async () => {
      if (!(await this.onLost())) this.recover();
    }, wait);
  }

  finish(view) {
    this.stream = null;
    // Versions are known to the thread that was opened, not to the stream.
    this.views.set(view.id, view);
    const old = [...this.list.children].find((node) => node.dataset.id === view.id);
    old?.replaceWith(this.message(view));
    this.markLast();
    this.onStreaming(null, view.state);
    this.keepAtEnd();
  }

  message(view) {
    const body = view.role === "user" ? this.userBody(view) : this.assistantBody(view);
    const name = view.role === "user" ? "You" : "Reply";
    const node = element("article", { class: `message ${view.role} ${view.state}`, "data-id": view.id, "aria-label": name });
    node.append(body);
    if (view.state !== "streaming") node.append(this.actions(view));
    return node;
  }

  userBody(view) {
    return element("div", { class: "body", dir: "auto", safeHtml: view.html });
  }

  assistantBody(view) {
    const body = element("div", { class: "body" });
    const dropped = view.stats?.dropped_messages;
    if (dropped) body.append(element("p", { class: "dropped", text: `The first ${dropped} messages no longer fit this model's context and were left out.` }));
    if (view.reasoning) {
      body.append(
        element("details", { class: "reasoning" }, element("summary", { text: "Thought" }), element("div", { class: "reasoning-text", dir: "auto", text: view.reasoning })),
      );
    }
    if (view.html) body.append(element("div", { class: "markup", safeHtml: view.html }));
    for (const part of view.parts ?? []) {
      body.append(part.call ? new ToolCard(part.call).node : element("div", { class: "markup", safeHtml: part.html }));
    }
    if (view.stats?.notes) body.append(element("p", { class: "stopped-note", text: view.stats.notes }));
    if (view.state === "stopped") body.append(element("p", { class: "stopped-note", text: view.error ? `Stopped. ${view.error}` : "Stopped" }));
    if (view.state === "failed") body.append(this.failure(view));
    return body;
  }

  failure(view) {
    const retry = element("button", { type: "button", class: "quiet-button", text: "Retry", onclick: () => this.onRegenerate(view.id) });
    const choose = (event) => {
      // A click that reached the document would close the picker again.
      event.stopPropagation();
      this.onChooseModel();
    };
    const chooser = element("button", { type: "button", class: "quiet-button", text: "Choose a model", onclick: choose });
    return element(
      "div",
      { class: "failure", role: "alert" },
      element("p", { text: view.error || "This reply failed." }),
      element("div", { class: "failure-buttons" }, view.model || view.stats?.extension ? null : chooser, retry),
    );
  }

  actions(view) {
    const bar = element("div", { class: "actions" });
    bar.append(element("span", { class: "versions" }));
    bar.append(copyButton("Copy", () => view.text));
    if (view.role === "user") bar.append(iconButton("edit", "Edit", () => this.beginEdit(view)));
    else bar.append(iconButton("retry", "Regenerate", () => this.onRegenerate(view.id)));
    const isWritten = view.role === "assistant" && view.text && !view.parts?.length && !view.stats?.extension;
    if (isWritten) {
      bar.append(
        iconButton("forth", "Continue", () => this.onContinue(view.id), "of-last"),
        iconButton("edit", "Edit reply", () => this.beginEdit(view), "of-last"),
      );
    }
    const saidBy = view.stats?.extension ?? view.model;
    if (view.role === "assistant" && saidBy) bar.append(element("span", { class: "said-by", dir: "auto", text: saidBy }));
    bar.append(element("span", { class: "stats", text: view.role === "assistant" ? statsText(view.stats) : "" }));
    return bar;
  }

  showVersions() {
    const arrow = this.focusedArrow();
    for (const node of this.list.children) {
      const view = this.views.get(node.dataset.id);
      const place = view.siblings.indexOf(view.id);
      const box = node.querySelector(".versions");
      if (!box) continue;
      box.replaceChildren();
      if (view.siblings.length < 2) continue;
      const go = (step) => () => this.onVersion(view.siblings[place + step]);
      const back = iconButton("left", "Previous version", go(-1));
      const forth = iconButton("right", "Next version", go(1));
      back.disabled = place === 0;
      forth.disabled = place === view.siblings.length - 1;
      box.append(back, element("span", { class: "version-count", text: `${place + 1}/${view.siblings.length}` }), forth);
    }
    this.focusArrow(arrow);
  }

  // Whoever goes from version to version by the keyboard stays on the arrows, though each has its own.
  focusedArrow() {
    const button = this.list.contains(document.activeElement) && document.activeElement.closest(".versions button");
    if (!button) return null;
    return { versions: this.views.get(button.closest(".message").dataset.id).siblings, label: button.getAttribute("aria-label") };
  }

  focusArrow(arrow) {
    if (!arrow || this.list.contains(document.activeElement)) return;
    const node = [...this.list.children].find((one) => arrow.versions.includes(one.dataset.id));
    const arrows = [...(node?.querySelectorAll(".versions button:enabled") ?? [])];
    (arrows.find((one) => one.getAttribute("aria-label") === arrow.label) ?? arrows[0])?.focus();
  }

  markLast() {
    for (const node of this.list.querySelectorAll(".last")) node.classList.remove("last");
    this.list.lastElementChild?.classList.add("last");
    this.showVersions();
  }

  beginEdit(view) {
    const node = [...this.list.children].find((one) => one.dataset.id === view.id);
    const field = element("textarea", { class: "edit-field", value: view.text, dir: "auto", "aria-label": "New text", rows: Math.min(12, view.text.split("\n").length + 1) });
    const cancel = () => {
      const shown = this.message(view);
      node.replaceWith(shown);
      this.markLast();
      shown.querySelector("[aria-label^=Edit]").focus();
    };
    const send = () => field.value.trim() && this.onEdit(view, field.value);
    // Replies are longer than messages: Enter makes a line in them.
    const isSent = (event) => (view.role === "user" ? !event.shiftKey : event.ctrlKey || event.metaKey);
    field.addEventListener("keydown", (event) => {
      if (event.key === "Escape") {
        event.preventDefault();
        cancel();
      }
      if (event.key === "Enter" && isSent(event) && !event.isComposing) {
        event.preventDefault();
        send();
      }
    });
    const buttons = element(
      "div",
      { class: "edit-buttons" },
      element("button", { type: "button", class: "quiet-button", text: "Cancel", onclick: cancel }),
      element("button", { type: "button", class: "strong-button", text: "Update", onclick: send }),
    );
    node.replaceChildren(element("div", { class: "editor" }, field, buttons));
    field.focus();
  }

  watchScroll() {
    const { scrollHeight, scrollTop, clientHeight } = this.scroller;
    // Only a move upwards is a person's wish to stay; a thread that grows moves the end away too.
    if (scrollHeight - scrollTop - clientHeight < NEAR_END_PX) this.isAtEnd = true;
    else if (scrollTop < this.lastTop) this.isAtEnd = false;
    this.lastTop = scrollTop;
    this.jump.classList.toggle("shown", !this.isAtEnd);
  }

  keepAtEnd() {
    if (this.isAtEnd) this.scroller.scrollTop = this.scroller.scrollHeight;
  }

  scrollToEnd() {
    this.isAtEnd = true;
    this.keepAtEnd();
    this.watchScroll();
  }
}

async function copyCode(event) {
  const button = event.target.closest("button.copy-code");
  if (!button) return;
  await copyText(button.closest("figure").querySelector("code").textContent);
  button.textContent = "Copied";
  setTimeout(() => (button.textContent = "Copy"), 1500);
}

function statsText(stats) {
  if (!stats?.completion_tokens) return "";
  const used = (stats.prompt_tokens + stats.completion_tokens).toLocaleString("en");
  // A model on a server does not always say how much it can hold.
  const context = stats.context_length ? ` of ${stats.context_length.toLocaleString("en")}` : "";
  return [
    `${speedNumber(stats.tokens_per_second)} tok/s`,
    `first token ${stats.first_token_seconds.toFixed(2)} s`,
    `${used}${context} tokens`,
  ].join(" · ");
}
