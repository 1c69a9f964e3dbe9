// The knobs, made from their declarations: a few for everyone, all others in a fold, by their groups.

import { element } from "./dom.js";
import { Knob } from "./params_knob.js";

const GROUPS = {
  temperature: "Temperature",
  truncation: "Truncation",
  repetition: "Repetition",
  steering: "Steering",
  text: "Text",
};
const SPEAKS_OF_ANOTHER = "the same";

export class KnobList {
  constructor({ call, onChange }) {
    Object.assign(this, { call, onChange });
    this.knobs = new Map();
    this.simple = element("div", { class: "knobs" });
    this.structure = element("div", {});
    this.filter = element("input", { type: "search", class: "form-field", placeholder: "Find a parameter", "aria-label": "Find a parameter", oninput: () => this.sift() });
    this.none = element("p", { class: "fine", role: "status", hidden: true });
    this.groups = element("div", { class: "knob-groups" });
    this.count = element("span", { class: "mark" });
    this.structureMark = element("span", { class: "mark", text: "in use" });
    this.node = element(
      "div",
      { class: "knob-list" },
      this.simple,
      element("details", { class: "params-fold" }, element("summary", {}, element("span", { text: "All parameters" }), this.count), this.filter, this.none, this.groups),
      element("details", { class: "params-fold" }, element("summary", {}, element("span", { text: "Structured output" }), this.structureMark), this.structure),
    );
  }

  // Free text has no turns before which a system prompt could stand.
  show({ fields, refusals, values, usual, isOther, hasTurns }) {
    if (!this.knobs.size) this.build(fields);
    for (const { field, control } of this.knobs.values()) if (field.kind === "order") control.setMissing(refusals);
    for (const [name, knob] of this.knobs) knob.show(values[name], usual[name], refusals[name] ?? "", isOther);
    this.knobs.get("system_prompt").node.hidden = !hasTurns;
    const changed = [...this.knobs.values()].filter((knob) => knob.isChanged && !knob.field.simple && knob.field.kind !== "structure").length;
    this.count.textContent = `${changed} changed`;
    this.count.hidden = !changed;
    this.structureMark.hidden = !values.constraint;
  }

  build(fields) {
    let source = "";
    for (const field of fields) {
      if (field.source !== SPEAKS_OF_ANOTHER) source = field.source;
      const onChange = (value) => this.onChange(field.name, value);
      this.knobs.set(field.name, new Knob({ ...field, source }, { call: this.call, onChange }));
    }
    const knobs = [...this.knobs.values()];
    const [structured, others] = [knobs.filter((one) => one.field.kind === "structure"), knobs.filter((one) => one.field.kind !== "structure")];
    // What is written stands above what is turned.
    const simple = others.filter((one) => one.field.simple).sort((one, other) => (other.field.kind === "text") - (one.field.kind === "text"));
    this.simple.replaceChildren(...simple.map((one) => one.node));
    this.structure.replaceChildren(...structured.map((one) => one.node));
    this.sections = Object.entries(GROUPS).map(([group, title]) => {
      const members = others.filter((one) => one.field.group === group && !one.field.simple);
      const node = element("section", { class: "knobs", "aria-label": title }, element("h3", { text: title }), ...members.map((one) => one.node));
      return { node, members };
    });
    this.groups.replaceChildren(...this.sections.map(({ node }) => node));
  }

  sift() {
    const words = this.filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    let found = 0;
    for (const { node, members } of this.sections) {
      const hits = members.filter((knob) => words.every((word) => knob.words.includes(word)));
      for (const knob of members) knob.node.hidden = !hits.includes(knob);
      node.hidden = !hits.length;
      found += hits.length;
    }
    const above = [...this.knobs.values()].find((knob) => knob.field.simple && words.every((word) => knob.words.includes(word)));
    this.none.textContent = above ? `${above.field.title} stands above.` : "No parameter is called so.";
    this.none.hidden = found > 0;
  }

  explain(name, message) {
    this.knobs.get(name).explain(message);
  }
}
