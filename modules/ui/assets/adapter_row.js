// One adapter on this machine: what it is, and what a loaded model does with it.

import { element } from "./dom.js";
import { button } from "./forms.js";
import { bytesText } from "./words.js";

const KINDS = { lora: "LoRA", rslora: "rsLoRA", dora: "DoRA", prompt_tuning: "Prompt tuning" };

// Its controls stay as long as it is listed: an answer that arrives while a weight is typed takes nothing away.
export class AdapterRow {
  // `onDeed` is told "adapter_load" or "adapter_unload", `onWeigh` a weight, or null to switch it off.
  constructor(name, { onDeed, onWeigh }) {
    this.what = element("div", { class: "adapter-what" });
    this.deed = button("Load", () => onDeed(this.adapter.loaded ? "adapter_unload" : "adapter_load"));
    this.toggle = element("input", { type: "checkbox", role: "switch", "aria-label": `Switch on ${name}`, onchange: () => onWeigh(this.toggle.checked ? this.weight.valueAsNumber : null) });
    this.use = element("span");
    this.weight = element("input", {
      type: "number",
      class: "form-field weight",
      step: 0.1,
      "aria-label": `Weight of ${name}`,
      title: "How strongly it counts; 1 is what it was trained for.",
      onchange: () => {
        this.asked = this.weight.value;
        onWeigh(this.weight.valueAsNumber);
      },
    });
    // What the field says unless something else is being typed.
    this.asked = this.weight.value;
    this.switches = [element("label", { class: "tool" }, this.toggle, this.use), element("label", { class: "tool" }, element("span", { text: "Weight" }), this.weight)];
    this.deeds = element("div", { class: "adapter-deeds" }, ...this.switches, this.deed);
    this.node = element("li", { class: "adapter" }, this.what, this.deeds);
  }

  // `refusal` is why the last thing that was asked of it could not be done.
  show(adapter, { refusal, isBusy, largestWeight, hasModel }) {
    const { name, loaded, problem } = adapter;
    this.adapter = adapter;
    this.showWhat(adapter, refusal);
    this.deeds.hidden = !hasModel || !(loaded || !problem);
    for (const one of this.switches) one.hidden = !loaded;
    this.deed.textContent = loaded ? "Unload" : "Load";
    this.deed.setAttribute("aria-label", `${this.deed.textContent} ${name}`);
    this.deed.setAttribute("aria-disabled", String(isBusy));
    // Until then they say what was asked for.
    if (!isBusy) this.showUse(adapter.weight, largestWeight);
  }

  // An alert that is made anew would be read out again.
  showWhat(adapter, refusal) {
    const now = JSON.stringify([adapter, refusal]);
    if (now === this.shown) return;
    this.shown = now;
    this.what.replaceChildren(...facts(adapter), ...(refusal ? [element("p", { class: "row-problem", role: "alert", text: refusal })] : []));
  }

  // `weight` is null where it is not in use.
  showUse(weight, largestWeight) {
    const isOn = weight !== null;
    this.toggle.checked = isOn;
    this.use.textContent = isOn ? "In use" : "Loaded, not in use";
    Object.assign(this.weight, { min: -largestWeight, max: largestWeight, disabled: !isOn });
    const isTyping = isOn && this.weight.value !== this.asked;
    if (isTyping || this.weight.valueAsNumber === (weight ?? 1)) return;
    this.asked = this.weight.value = String(weight ?? 1);
  }
}

function facts({ name, base_model: base, kind, rank, size_bytes: size, loaded, memory_bytes: memory, mark, problem }) {
  const known = [KINDS[kind] ?? kind, rank ? `rank ${rank}` : "", size ? bytesText(size) : "", loaded ? `takes ${bytesText(memory)} of memory` : ""];
  return [
    element("span", { class: "adapter-name", dir: "auto", text: name }),
    base ? element("span", { class: "fine" }, "for ", element("bdi", { text: base })) : "",
    element("span", { class: "fine", text: known.filter(Boolean).join(" · ") }),
    mark ? element("span", { class: "fine", text: mark }) : "",
    problem ? element("p", { class: "row-problem", text: problem }) : "",
  ].filter(Boolean);
}
