// What was downloaded of datasets on the hub: used again without a download, or deleted to make room.

import { control } from "./control.js";
import { element } from "./dom.js";
import { button } from "./forms.js";
import { agoText, fileSizeText } from "./words.js";

export class HubDatasets {
  // `onUse(name)` when one is chosen, `onDeleted(name)` when one is gone.
  constructor({ toasts, onUse, onDeleted }) {
    Object.assign(this, { toasts, onUse, onDeleted });
    this.list = element("ul", { class: "tune-list", "aria-label": "Datasets of the hub that are here" });
    this.node = element("section", { class: "tune-part", hidden: true }, element("h3", { text: "Downloaded already" }), this.list);
  }

  async look() {
    try {
      const { datasets } = await control("datasets/hub");
      this.node.hidden = !datasets.length;
      this.list.replaceChildren(...datasets.map((one) => this.row(one)));
    } catch (error) {
      this.toasts.error(error);
    }
  }

  row({ name, size_bytes: size, modified }) {
    return element(
      "li",
      { class: "tune-row downloaded" },
      element("span", { class: "tune-name", dir: "auto", text: name }),
      element("span", { class: "fine", text: `${fileSizeText(size)} · ${agoText(modified)}` }),
      button("Use", () => this.onUse(name), "quiet-button", { "aria-label": `Use ${name}` }),
      button("Delete", () => this.remove(name), "quiet-button", { "aria-label": `Delete ${name}`, title: "It is downloaded again when it is used again." }),
    );
  }

  async remove(name) {
    try {
      await control("datasets/hub/delete", { name });
      this.onDeleted(name);
      this.toasts.show(`What was downloaded of ${name} is deleted. It is downloaded again when it is used again.`);
    } catch (error) {
      this.toasts.error(error);
    }
    await this.look();
  }
}
