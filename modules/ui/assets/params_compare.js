// Two presets side by side: the parameters in which they differ.

import { element } from "./dom.js";
import { choiceOf, Dialog, labelled } from "./forms.js";
import { valueText } from "./params_words.js";

export class CompareDialog {
  constructor({ call }) {
    this.call = call;
    this.one = choiceOf([], { onchange: () => this.compare() });
    this.other = choiceOf([], { onchange: () => this.compare() });
    this.result = element("div", { class: "compare-result", role: "status" });
    this.dialog = new Dialog("Compare two presets", element("div", { class: "compare-choice" }, labelled("One", this.one), labelled("The other", this.other)), this.result);
    this.node = this.dialog.node;
  }

  open({ presets, current, fields }) {
    this.titles = Object.fromEntries(fields.map((field) => [field.name, field.title]));
    const names = ["", ...presets.filter((one) => !one.problem).map((one) => one.name)];
    for (const select of [this.one, this.other]) select.replaceChildren(...names.map((name) => element("option", { value: name, text: name || "Defaults" })));
    this.one.value = names.includes(current.preset) ? current.preset : "";
    this.other.value = names.find((name) => name !== this.one.value);
    this.dialog.open();
    this.compare();
  }

  async compare() {
    const [name, other] = [this.one.value, this.other.value];
    try {
      const { differences } = await this.call("preset_compare", { name, other });
      if (name === this.one.value && other === this.other.value) this.show(differences);
    } catch (error) {
      this.result.replaceChildren(element("p", { class: "form-error", text: error.message }));
    }
  }

  show(differences) {
    if (!differences.length) {
      this.result.replaceChildren(element("p", { class: "fine", text: "They do not differ." }));
      return;
    }
    const head = ["Parameter", this.one.value || "Defaults", this.other.value || "Defaults"].map((text) => element("th", { scope: "col", text }));
    const rows = differences.map(({ parameter, value, other }) =>
      element("tr", {}, element("th", { scope: "row", text: this.titles[parameter] ?? parameter }), element("td", { text: valueText(value) }), element("td", { text: valueText(other) })),
    );
    this.result.replaceChildren(element("table", { class: "compare-table" }, element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...rows)));
  }
}
