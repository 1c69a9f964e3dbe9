// The controls of parameters by their kind. Each has `node`, `show(value)`, `setDisabled(isDisabled)`; one with a single
// field has it as `input`, others are groups. `beside` stands in the line of the name.

import { element } from "./dom.js";
import { BiasField, IdsField, TextsField } from "./params_lists.js";
import { OrderField } from "./params_order.js";
import { StructureField } from "./params_structure.js";

// Where what is accepted goes far beyond what is useful; the number field takes the rest.
const USEFUL = {
  temperature: [0, 2],
  dynatemp_range: [0, 2],
  dynatemp_exponent: [0.01, 4],
  top_k: [0, 200],
  top_n_sigma: [-1, 5],
  repetition_penalty: [1, 2],
  encoder_repetition_penalty: [0.5, 2],
  repetition_penalty_range: [-1, 4096],
  no_repeat_ngram_size: [0, 20],
  dry_multiplier: [0, 5],
  dry_base: [1, 4],
  dry_allowed_length: [0, 20],
  dry_range: [-1, 4096],
  mirostat_tau: [0, 10],
  guidance_scale: [0, 3],
};
const AUTOMATIC = { seed: "Random", max_tokens: "As long as fits" };

export function fieldOf(field, id, { call, onChange }) {
  switch (field.kind) {
    case "number":
    case "whole_number":
      return field.empty ? new NumberField(field, id, onChange) : new SliderField(field, id, onChange);
    case "switch":
      return new SwitchField(field, id, onChange);
    case "text":
      return new TextField(field, id, onChange);
    case "texts":
      return new TextsField(field, id, onChange);
    case "ids":
      return new IdsField(field, id, onChange);
    case "biases":
      return new BiasField(field, id, onChange);
    case "order":
      return new OrderField(field, id, onChange);
    case "structure":
      return new StructureField(field, id, { call, onChange });
  }
}

// Empty is the engine's own choice.
class NumberField {
  constructor({ name, minimum, maximum, step, empty }, id, onChange) {
    const oninput = () => {
      const value = this.input.value === "" ? null : Number(this.input.value);
      if (this.input.validity.badInput || (value === null && !empty)) return;
      this.shown = value;
      onChange(value);
    };
    // What was left empty and may not be shows its value again.
    const onblur = () => this.input.value === "" && !empty && this.show(this.shown);
    this.input = element("input", { type: "number", class: "knob-number", id, min: minimum ?? "", max: maximum ?? "", step: step ?? 1, placeholder: AUTOMATIC[name] ?? "", oninput, onblur });
    this.node = element("div", { hidden: true });
    this.beside = this.input;
  }

  show(value) {
    this.shown = value;
    this.input.value = value ?? "";
  }

  setDisabled(isDisabled) {
    this.input.disabled = isDisabled;
  }
}

class SliderField extends NumberField {
  constructor(field, id, onChange) {
    super(field, id, (value) => {
      this.slider.value = value;
      onChange(value);
    });
    const [least, most] = USEFUL[field.name] ?? [field.minimum, field.maximum];
    const oninput = () => {
      this.input.value = this.slider.value;
      onChange(Number(this.slider.value));
    };
    this.slider = element("input", { type: "range", class: "knob-slider", min: least, max: most, step: field.step ?? 1, "aria-label": `${field.title}, slider`, oninput });
    this.node = this.slider;
  }

  show(value) {
    super.show(value);
    this.slider.value = value;
  }

  setDisabled(isDisabled) {
    super.setDisabled(isDisabled);
    this.slider.disabled = isDisabled;
  }
}

class SwitchField {
  constructor(_field, id, onChange) {
    this.input = element("input", { type: "checkbox", class: "switch", role: "switch", id, onchange: () => onChange(this.input.checked) });
    this.node = element("div", { hidden: true });
    this.beside = this.input;
  }

  show(value) {
    this.input.checked = value;
  }

  setDisabled(isDisabled) {
    this.input.disabled = isDisabled;
  }
}

class TextField {
  constructor({ limit }, id, onChange) {
    this.input = element("textarea", { class: "form-field", id, rows: 2, dir: "auto", maxLength: limit, oninput: () => onChange(this.input.value) });
    this.node = this.input;
  }

  show(value) {
    this.input.value = value;
  }

  setDisabled(isDisabled) {
    this.input.disabled = isDisabled;
  }
}
