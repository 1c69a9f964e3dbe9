// The branches of a document: every text that some way of writing on has led to.

import { element } from "./dom.js";
import { button } from "./forms.js";
import { versionWords } from "./notebook_versions.js";

export class BranchList {
  constructor({ call, toasts, onSelect, onCompare }) {
    Object.assign(this, { call, toasts, onSelect, onCompare });
    this.list = element("ol", { class: "version-list" });
    this.node = element("div", {}, this.list);
  }

  async show(view) {
    this.view = view;
    if (!view.document.id) {
      this.list.replaceChildren(element("li", { class: "fine", text: "A text that is regenerated or goes on from another token has branches." }));
      return;
    }
    try {
      const { branches } = await this.call("notebook_branches", { id: view.document.id });
      if (view !== this.view) return;
      this.branches = branches;
      this.list.replaceChildren(...grouped(branches).map((one) => this.row(one)));
    } catch (error) {
      this.toasts.error(error);
    }
  }

  row(one) {
    const isShown = one.on_path;
    const buttons = [
      button("Show", () => this.onSelect(one.version), "quiet-button small", { "aria-label": `Show branch ${one.version}` }),
      button("Compare", () => this.onCompare(this.view.version, one.version, this.branches), "quiet-button small", { "aria-label": `Compare branch ${one.version} with the shown text` }),
    ];
    return element(
      "li",
      { class: `version branch ${isShown ? "on-path" : "beside"}`, "aria-current": isShown ? "true" : null },
      one.heading ? element("p", { class: "branch-fork fine", text: one.heading }) : null,
      versionWords(one),
      element("p", { class: "version-preview", dir: "auto", text: one.preview || "Empty" }),
      isShown ? element("p", { class: "fine", text: "Shown" }) : element("div", { class: "version-buttons" }, ...buttons),
    );
  }
}

// The shown one first, then the others by the place where they part from it, the latest parting first.
function grouped(branches) {
  const shown = branches.filter((one) => one.on_path);
  const others = branches.filter((one) => !one.on_path).sort((a, b) => b.fork - a.fork || b.version - a.version);
  let fork = null;
  const headed = others.map((one) => {
    const heading = one.fork === fork ? "" : `Parts from the shown text at version ${one.fork}`;
    fork = one.fork;
    return { ...one, heading };
  });
  return [...shown, ...headed];
}
