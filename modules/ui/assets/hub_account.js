// The person's account on the hub: whose token is kept, a new one, none any more.

import { element } from "./dom.js";
import { button, Dialog, FormError, labelled } from "./forms.js";

const TOKEN_CHARS = 500;

export class AccountDialog {
  // `onToken` when another token, or none, is what the hub is sent from now on.
  constructor({ call, onToken }) {
    Object.assign(this, { call, onToken });
    this.hub = { name: "the hub", address: "" };
    this.who = element("p", { class: "dialog-text", role: "status" });
    this.token = element("input", { type: "password", class: "form-field", autocomplete: "off", maxLength: TOKEN_CHARS, spellcheck: false });
    this.error = new FormError({ token: this.token });
    this.where = element("p", { class: "fine" });
    this.forget = button("Forget the token", () => this.act("hub_forget", {}), "quiet-button", { hidden: true });
    const onSubmit = (event) => {
      event.preventDefault();
      if (this.token.value) this.act("hub_token", { token: this.token.value });
      else this.token.focus();
    };
    const form = element(
      "form",
      { onsubmit: onSubmit },
      labelled("Access token", this.token),
      this.where,
      this.error.node,
      element(
        "div",
        { class: "dialog-buttons" },
        this.forget,
        button("Who am I?", () => this.act("hub_account", {})),
        element("button", { type: "submit", class: "strong-button", text: "Keep token" }),
      ),
    );
    this.dialog = new Dialog("Hub account", this.who, form);
    this.node = this.dialog.node;
  }

  show(hub) {
    this.hub = hub;
    this.where.textContent =
      "Only gated and private models need one: a token that may read is enough. It is kept in a file on this machine " +
      `that only you can read, and sent to ${hub.name} alone.`;
  }

  open() {
    this.token.value = "";
    this.error.clear();
    this.who.textContent = "";
    this.dialog.open();
    this.token.focus();
  }

  // Every answer but that to forgetting says whose token it is now.
  async act(name, values) {
    this.error.clear();
    this.who.textContent = name === "hub_forget" ? "" : `Asking ${this.hub.name} …`;
    try {
      const account = await this.call(name, values);
      this.token.value = "";
      this.who.textContent = name === "hub_forget" ? "There is no token here any more." : wordsOf(account, this.hub.name);
      this.forget.hidden = name === "hub_forget" || !account.has_token || account.from_environment;
      if (name !== "hub_account") this.onToken();
    } catch (error) {
      this.who.textContent = "";
      this.error.show(error);
    }
  }
}

function wordsOf({ user, has_token: hasToken, from_environment: fromEnvironment }, hub) {
  if (!hasToken) return "No token is kept: you are a guest.";
  const whose = user ? `You are ${user} on ${hub}.` : `${hub} does not know the token that is kept.`;
  return fromEnvironment ? `${whose} The token comes from the environment (HF_TOKEN).` : whose;
}
