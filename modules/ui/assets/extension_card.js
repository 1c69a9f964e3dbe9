// One extension: what it is, whether it is on, what went wrong; its settings, log and versions on request.

import { control } from "./control.js";
import { element, iconButton } from "./dom.js";
import { button } from "./forms.js";
import { SettingsForm } from "./extension_settings.js";
import { agoText, counted } from "./words.js";

const GIVES = { tools: "Tools", tabs: "Tabs", panels: "Panels", commands: "Commands", routes: "Addresses", document_readers: "Document readers", embedding_models: "Embedding models", engines: "Engines" };
const FILTERS = { filter_messages: "what the model reads", filter_prompt: "what the model reads", filter_request: "how replies are written", logits_processors: "how replies are written", write_reply: "replies", stream_transformer: "replies", filter_reply: "replies" };

export class ExtensionCard {
  // `onSwitched` after it was enabled or disabled, `onAct(kind, extension)` for update, rollback and remove.
  constructor({ toasts, onSwitched, onAct }) {
    Object.assign(this, { toasts, onSwitched, onAct });
    this.toggle = element("input", { type: "checkbox", role: "switch", onchange: () => this.turn(this.toggle.checked) });
    this.state = element("span");
    this.title = element("h3", { dir: "auto" });
    this.facts = element("p", { class: "fine", dir: "auto" });
    this.description = element("p", { class: "extension-description", dir: "auto" });
    this.touches = element("ul", { class: "extension-touches", "aria-label": "What it touches" });
    this.note = element("p", { class: "fine", dir: "auto" });
    this.fault = element("div", { class: "extension-buttons", role: "alert" });
    this.more = iconButton("down", "", () => this.unfold(), "row-more");
    this.details = element("div", { class: "extension-details", hidden: true });
    this.head = element("div", { class: "extension-head" }, element("div", { class: "extension-name" }, this.title, this.facts), element("label", { class: "extension-switch" }, this.toggle, this.state), this.more);
    this.node = element("li", { class: "extension-card" }, this.head, this.description, this.touches, this.note, this.fault, this.details);
  }

  get words() {
    const { title, name, description, author } = this.extension;
    return `${title} ${name} ${description} ${author}`.toLowerCase();
  }

  show(extension, mayChange) {
    Object.assign(this, { extension, mayChange });
    const now = JSON.stringify([extension, mayChange]);
    if (this.drawn === now) return;
    this.drawn = now;
    const { title, version, author, licence, is_bundled: isBundled, state, is_sound: isSound, fault } = extension;
    this.node.setAttribute("aria-label", title);
    this.title.textContent = title;
    this.facts.textContent = [version && `Version ${version}`, author, licence, isBundled ? "comes with Parlor" : "installed by you"].filter(Boolean).join(" · ");
    this.description.textContent = extension.description;
    this.description.hidden = !extension.description;
    this.touches.replaceChildren(...touchesOf({ ...extension, isolated: extension.isolated && !extension.note }).map((text) => element("li", { class: "mark", dir: "auto", text })));
    // The switch is what the person wants, also where it failed.
    this.toggle.checked = state !== "disabled";
    this.toggle.disabled = !mayChange || (!isSound && state === "disabled");
    this.toggle.setAttribute("aria-label", `${title}: enabled`);
    this.state.textContent = { enabled: "On", loading: "Starting …", failed: "Failed", disabled: "Off" }[state];
    this.note.textContent = extension.note ? `It runs ${extension.note}.` : "";
    this.note.hidden = !extension.note;
    const problem = fault || faultText(extension);
    const isTriable = mayChange && (state === "failed" || (state === "enabled" && extension.off_hooks.length > 0));
    this.fault.replaceChildren(...(problem ? [element("p", { class: "form-error", text: problem })] : []), ...(isTriable ? [button("Try again", () => this.turn(true))] : []));
    this.fault.hidden = !problem;
    const opener = this.details.hidden ? "Details of" : "Fold";
    this.more.setAttribute("aria-label", `${opener} ${title}`);
    this.more.title = `${opener} ${title}`;
    this.more.setAttribute("aria-expanded", String(!this.details.hidden));
    // What is being typed stays.
    if (!this.details.hidden && !this.settings?.node.contains(document.activeElement)) this.look();
  }

  async turn(isOn) {
    const { name, title } = this.extension;
    this.toggle.disabled = true;
    this.state.textContent = isOn ? "Starting …" : "Stopping …";
    try {
      await control(`extensions/${encodeURIComponent(name)}/${isOn ? "enable" : "disable"}`, {});
      this.toasts.show(isOn ? `${title} is on.` : `${title} is off.`);
    } catch (error) {
      this.toasts.error(error);
    }
    this.drawn = "";
    await this.onSwitched(name);
    // The switch lost it while it could not be pressed.
    if (document.activeElement === document.body) this.toggle.focus();
  }

  // --- details ---

  unfold() {
    this.details.hidden = !this.details.hidden;
    this.isUnfolding = !this.details.hidden;
    this.settings?.forget();
    this.drawn = "";
    this.show(this.extension, this.mayChange);
  }

  async look() {
    const { name } = this.extension;
    try {
      const { extension } = await control(`extensions/${encodeURIComponent(name)}`);
      await this.showDetails(extension);
    } catch (error) {
      this.toasts.error(error);
    }
  }

  async showDetails({ name, title, state, folder, homepage, requirements, filters, gives, faults, log, is_bundled: isBundled, source, source_kind: sourceKind, exact, earlier, order }) {
    if (this.settings?.extension !== name) this.settings = new SettingsForm({ extension: name, toasts: this.toasts, onSaved: () => this.onSwitched() });
    const isOn = state === "enabled";
    const hadFocus = this.details.contains(document.activeElement);
    const deeds = isBundled || !this.mayChange ? [] : this.deeds(title, source, earlier);
    this.details.replaceChildren(
      ...[
        element("p", { class: "fine", text: isOn ? givesText(filters, gives) : "Its settings, and what it gives, are known once it is on." }),
        faults.length ? section("Faults", faultList(faults)) : null,
        this.settings.node,
        isOn && this.mayChange && filters.length ? this.place(name, title, order) : null,
        log.length ? section("Log", element("pre", { class: "extension-log", tabIndex: 0, "aria-label": `Log of ${title}`, text: log.join("\n") })) : null,
        factList({ "Lies in": folder, "Comes from": source, [exactLabel(sourceKind)]: exact, Homepage: homepage, Needs: requirements.join(", ") }),
        deeds.length ? element("div", { class: "extension-buttons" }, ...deeds) : null,
      ].filter(Boolean),
    );
    // The last line of a log is the newest.
    this.details.querySelector(".extension-log")?.scrollTo(0, Number.MAX_SAFE_INTEGER);
    if (hadFocus && !this.details.contains(document.activeElement)) this.more.focus();
    if (!isOn) this.settings.forget();
    else if (!this.settings.isKnown) await this.settings.look();
    // Whoever unfolds the last card of a page sees what has come.
    if (this.isUnfolding) this.node.scrollIntoView({ block: "nearest" });
    this.isUnfolding = false;
  }

  // Where its filters run among those of the others.
  place(name, title, order) {
    const place = order.indexOf(name);
    if (order.length < 2 || place < 0) return null;
    const mover = (word, steps, end) => button(word, () => this.move(steps), "quiet-button", { "aria-label": `${title}: ${word.toLowerCase()} in the order of filters`, disabled: place === end });
    return element("div", { class: "extension-buttons" }, element("span", { class: "fine", text: `Number ${place + 1} of ${order.length} in the order of filters` }), mover("Earlier", -1, 0), mover("Later", 1, order.length - 1));
  }

  async move(steps) {
    try {
      await control(`extensions/${encodeURIComponent(this.extension.name)}/move`, { steps });
    } catch (error) {
      this.toasts.error(error);
    }
    await this.look();
  }

  deeds(title, source, earlier) {
    return [
      source && button("Update", () => this.onAct("update", this.extension), "quiet-button", { "aria-label": `Update ${title}` }),
      earlier && button(`Back to ${earlier}`, () => this.onAct("rollback", this.extension), "quiet-button", { "aria-label": `Roll ${title} back to version ${earlier}` }),
      button("Remove", () => this.onAct("remove", this.extension), "quiet-button danger", { "aria-label": `Remove ${title}` }),
    ].filter(Boolean);
  }
}

// What its manifest says that it reaches, in words; also what of it acts on the page itself.
export function touchesOf({ touches, isolated, has_script: hasScript, has_style: hasStyle }) {
  const { network = [], files = [], models = false } = touches ?? {};
  return [
    network.length ? `Network: ${network.includes("*") ? "any address" : network.join(", ")}` : "",
    files.length ? `Files: ${files.includes("*") ? "any" : files.join(", ")}` : "",
    models ? "Asks the loaded model" : "",
    hasScript ? "Has a script on this page" : "",
    hasStyle ? "Changes the look of this page" : "",
    isolated ? "Runs in a process of its own" : "",
  ].filter(Boolean);
}

function faultText({ state, faults, off_hooks: offHooks }) {
  if (!faults || state === "disabled") return "";
  const off = offHooks.length ? `${offHooks.join(", ")} failed too often and ${offHooks.length > 1 ? "are" : "is"} not called any more. ` : "";
  return `${off}${counted(faults, "fault")}: see the details.`;
}

function givesText(filters, gives) {
  const changes = [...new Set(filters.map((hook) => FILTERS[hook]))];
  const lists = { Changes: changes, ...Object.fromEntries(Object.entries(GIVES).map(([hook, word]) => [word, gives[hook] ?? []])) };
  const words = Object.entries(lists).flatMap(([word, names]) => (names.length ? [`${word}: ${names.join(", ")}`] : []));
  return words.join(" · ");
}

function section(title, ...content) {
  return element("section", { class: "extension-section", "aria-label": title }, element("h4", { text: title }), ...content);
}

function faultList(faults) {
  return element("ul", { class: "extension-faults" }, ...faults.map(({ hook, sentence, time }) => element("li", {}, element("span", { class: "fine", text: `${hook}, ${agoText(time)}: ` }), sentence)));
}

// What tells one version of an extension from every other.
export function exactLabel(sourceKind) {
  return sourceKind === "git" ? "Commit" : "SHA-256";
}

export function factList(facts) {
  const known = Object.entries(facts).filter(([, value]) => value);
  return known.length ? element("dl", { class: "extension-facts" }, ...known.flatMap(([name, value]) => [element("dt", { text: name }), element("dd", { dir: "auto", text: value })])) : null;
}
