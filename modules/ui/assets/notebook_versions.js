// The versions of a document, newest first; any of them can be shown again.

import { element } from "./dom.js";
import { button } from "./forms.js";
import { agoText, numberText } from "./words.js";

const KINDS = { created: "Created", typed: "Typed", generated: "Generated" };
const STATES = { streaming: "being written", stopped: "stopped", failed: "failed" };

export class VersionList {
  constructor({ call, toasts, onSelect }) {
    Object.assign(this, { call, toasts, onSelect });
    this.list = element("ol", { class: "version-list" });
    this.more = button("Show earlier", () => this.load(this.oldest), "quiet-button");
    this.node = element("div", {}, this.list, this.more);
  }

  async show(view) {
    this.view = view;
    if (!view.document.id) {
      this.list.replaceChildren(element("li", { class: "fine", text: "Nothing has been written yet." }));
      this.more.hidden = true;
      return;
    }
    await this.load(null);
  }

  async load(before) {
    const { view } = this;
    try {
      const { versions, more } = await this.call("notebook_versions", { id: view.document.id, ...(before === null ? {} : { before }) });
      if (view !== this.view) return;
      const rows = versions.map((one) => this.row(one));
      if (before === null) this.list.replaceChildren(...rows);
      else this.list.append(...rows);
      this.oldest = versions.at(-1)?.version ?? null;
      this.more.hidden = !more;
    } catch (error) {
      this.toasts.error(error);
    }
  }

  row(one) {
    const isShown = one.version === this.view.version;
    return element(
      "li",
      { class: `version ${one.on_path ? "on-path" : ""}`, "aria-current": isShown ? "true" : null },
      versionWords(one),
      element("p", { class: "version-preview", dir: "auto", text: one.preview || (one.removed ? "Only took something away." : "Empty") }),
      isShown ? element("p", { class: "fine", text: "Shown" }) : button("Restore", () => this.onSelect(one.version), "quiet-button small", { "aria-label": `Restore version ${one.version}` }),
    );
  }
}

// What it is and how large: "Generated 3 minutes ago by starter · +120 −0".
export function versionWords(one) {
  const kind = [KINDS[one.kind], STATES[one.state]].filter(Boolean).join(", ");
  const size = `+${numberText(one.inserted)} −${numberText(one.removed)} characters`;
  return element("p", { class: "version-words", title: new Date(one.created * 1000).toLocaleString() }, `${kind} ${agoText(one.created)}`, element("span", { class: "fine", text: [one.model, size].filter(Boolean).join(" · ") }));
}
