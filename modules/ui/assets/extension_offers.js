// What enabled extensions add to the page: tabs, panels, commands, styles and scripts.

import { control } from "./control.js";
import { element } from "./dom.js";

const LOADING_MS = 1000;

export class ExtensionOffers {
  // `onOffers({tabs, panels, commands})` after each look.
  constructor({ toasts, onOffers }) {
    Object.assign(this, { toasts, onOffers });
    this.styles = new Map();
    this.scripts = new Set();
  }

  async look() {
    let offered;
    try {
      offered = await control("extensions/views");
    } catch (error) {
      this.toasts.error(error);
      return;
    }
    const { views, commands, looks, loading } = offered;
    clearTimeout(this.again);
    // The page is there before the extensions are.
    if (loading.length) this.again = setTimeout(() => this.look(), LOADING_MS);
    this.dress(looks.filter((look) => look.kind === "css").map(addressOf));
    this.run(looks.filter((look) => look.kind === "js").map(addressOf));
    this.onOffers({ tabs: views.filter((view) => view.place === "tab"), panels: views.filter((view) => view.place === "panel"), commands });
  }

  dress(addresses) {
    for (const [address, node] of this.styles) {
      if (addresses.includes(address)) continue;
      node.remove();
      this.styles.delete(address);
    }
    for (const address of addresses) {
      if (this.styles.has(address)) continue;
      const node = element("link", { rel: "stylesheet", href: address });
      this.styles.set(address, node);
      document.head.append(node);
    }
  }

  // A script that runs cannot be taken back: it ends with the page.
  run(addresses) {
    const gone = [...this.scripts].filter((address) => !addresses.includes(address));
    for (const address of gone) this.scripts.delete(address);
    if (gone.length) this.toasts.show("A script of an extension is still at work here until the page is loaded again.", { action: "Reload", onAction: () => location.reload() });
    for (const address of addresses) {
      if (this.scripts.has(address)) continue;
      this.scripts.add(address);
      import(address).catch((error) => this.toasts.show(`The script of ${address.split("/")[3]} failed: ${error.message}`, { isError: true }));
    }
  }
}

function addressOf({ extension, kind, version }) {
  return `/ui/extensions/${encodeURIComponent(extension)}/page.${kind}?v=${version}`;
}
