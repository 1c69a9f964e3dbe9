// Where the parameters hold that are in use here: everywhere, for one model, or in one conversation or document.

import { element } from "./dom.js";
import { choiceOf, labelled } from "./forms.js";

export class ScopeChoice {
  constructor({ onChoose }) {
    this.select = choiceOf([], { onchange: () => onChoose(this.select.value) });
    this.note = element("p", { class: "fine" });
    this.node = element("div", { class: "params-scope" }, labelled("These apply", this.select), this.note);
  }

  show({ model, modelTitle, conversation, document: document_, isNotebook }, scopes) {
    const choices = [["everywhere", "Everywhere"]];
    if (model) choices.push(["model", `Only with ${modelTitle}`]);
    if (isNotebook) choices.push(["document", "Only in this document", !document_]);
    else choices.push(["conversation", "Only in this conversation", !conversation]);
    this.select.replaceChildren(
      ...choices.map(([value, text, isLater]) => element("option", { value, text: isLater ? `${text} (once it has begun)` : text, disabled: isLater })),
    );
    this.select.value = scopes[0].kind;
    const wider = scopes.slice(1, -1).map((one) => `this ${one.kind} has some of its own`);
    this.note.textContent = wider.length ? `Without them: ${wider.join(", ")}.` : "";
    this.note.hidden = !wider.length;
  }
}
