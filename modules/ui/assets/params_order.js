// The order in which samplers act: rows to drag, or to move by buttons; a sampler that is switched off does nothing.

import { element, iconButton } from "./dom.js";
import { button } from "./forms.js";
import { samplerTitle } from "./params_words.js";

export class OrderField {
  constructor(field, _id, onChange) {
    Object.assign(this, { field, onChange });
    this.isGroup = true;
    this.missing = [];
    this.list = element("ol", { class: "knob-order" });
    this.list.addEventListener("dragover", (event) => this.drag(event));
    this.usual = button("Use the usual order", () => this.tell(null), "quiet-button knob-add");
    this.note = element("p", { class: "fine" });
    this.node = element("div", { class: "knob-list-field" }, this.note, this.list, this.usual);
  }

  // A model refuses an order that names a sampler it does not have.
  setMissing(refusals) {
    this.missing = this.field.names.filter((name) => this.field.switches[name].every((knob) => knob in refusals));
  }

  // `value` null is the usual order.
  show(value) {
    const there = this.field.names.filter((name) => !this.missing.includes(name));
    const order = value ?? there;
    const off = there.filter((name) => !order.includes(name));
    this.note.textContent = value ? "Samplers act from above to below." : "The usual order. Move one to change it.";
    this.usual.hidden = value === null;
    this.list.replaceChildren(...order.map((name, place) => this.row(name, place, order)), ...off.map((name) => this.offRow(name, order)));
  }

  row(name, place, order) {
    const title = samplerTitle(name);
    const move = (step) => {
      const next = [...order];
      next.splice(place, 1);
      next.splice(place + step, 0, name);
      this.tell(next);
      this.focusOn(name, step < 0 ? "up" : "down");
    };
    const leaveOut = () => {
      this.tell(order.filter((one) => one !== name));
      this.focusOn(name, "add");
    };
    const words = this.missing.includes(name) ? `${title} (not with this model)` : title;
    const row = element(
      "li",
      { class: "order-row", draggable: true, "data-name": name },
      element("span", { class: "order-grip", "aria-hidden": "true", text: "⠿" }),
      element("span", { class: "order-title", text: words }),
      this.button("up", `Move ${title} up`, () => move(-1), place === 0),
      this.button("down", `Move ${title} down`, () => move(1), place === order.length - 1),
      this.button("close", `Leave ${title} out`, leaveOut),
    );
    row.addEventListener("dragstart", (event) => {
      event.dataTransfer.effectAllowed = "move";
      event.dataTransfer.setData("text/plain", name);
      row.classList.add("dragged");
    });
    row.addEventListener("dragend", () => this.drop(row, order));
    return row;
  }

  offRow(name, order) {
    const title = samplerTitle(name);
    const add = () => {
      this.tell([...order, name]);
      this.focusOn(name, "up");
    };
    return element("li", { class: "order-row off", "data-name": name }, element("span", { class: "order-title", text: `${title} (left out)` }), this.button("plus", `Add ${title}`, add, false, "add"));
  }

  button(shape, label, action, disabled = false, key = shape) {
    const made = iconButton(shape, label, action);
    made.disabled = disabled;
    made.dataset.key = key;
    return made;
  }

  focusOn(name, key) {
    const row = this.list.querySelector(`[data-name="${name}"]`);
    (row?.querySelector(`[data-key="${key}"]:enabled`) ?? row?.querySelector("button:enabled"))?.focus();
  }

  drag(event) {
    const dragged = this.list.querySelector(".dragged");
    if (!dragged) return;
    event.preventDefault();
    const over = event.target.closest(".order-row:not(.off)");
    if (!over || over === dragged) return;
    const { top, height } = over.getBoundingClientRect();
    if (event.clientY > top + height / 2) over.after(dragged);
    else over.before(dragged);
  }

  drop(row, before) {
    row.classList.remove("dragged");
    const order = [...this.list.querySelectorAll(".order-row:not(.off)")].map((one) => one.dataset.name);
    if (order.join() !== before.join()) this.tell(order);
  }

  tell(order) {
    this.show(order);
    this.onChange(order);
  }

  setDisabled(isDisabled) {
    this.node.inert = isDisabled;
  }
}
