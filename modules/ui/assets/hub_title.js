// How a model of the hub is called wherever it stands: user, name, and what keeps people out.

import { element } from "./dom.js";

export function titleOf({ repository, gate, private: isPrivate }) {
  const place = repository.indexOf("/") + 1;
  const nodes = [element("span", { class: "hub-user", text: repository.slice(0, place) }), element("bdi", { text: repository.slice(place) })];
  if (gate !== "open") nodes.push(element("span", { class: "mark", text: "Gated", title: "Its owner asks you to agree to terms first." }));
  if (isPrivate) nodes.push(element("span", { class: "mark", text: "Private" }));
  return nodes;
}
