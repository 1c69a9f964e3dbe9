// Where a model stands, in words: loaded, loading, failed, or none of it.

import { element } from "./dom.js";
import { agoText } from "./words.js";

export function stateWords(model) {
  if (!model) return "";
  if (model.state === "loading") return model.fraction ? `loading ${Math.round(model.fraction * 100)} %` : "loading";
  // A model of another server is there already, as long as the server answers.
  if (model.server) return model.state === "failed" ? "failed" : isAway(model) ? contactWords(model) : "";
  return { ready: "loaded", failed: "failed" }[model.state] ?? "not loaded";
}

// Its look: a server that went away takes its models along, whatever was loaded here.
export function stateLook(model) {
  if (!model) return "none";
  return isAway(model) ? "failed" : model.state;
}

// Of a server or a model on one: whether it answered last, and when that was.
export function contactWords({ reachable, last_heard: heard }) {
  if (isAway({ reachable })) return heard ? `not reachable, last heard of ${agoText(heard)}` : "not reachable";
  return heard ? `answered ${agoText(heard)}` : "";
}

export function isAway({ reachable }) {
  return reachable === false;
}

export function failure(model) {
  const box = element("div", { class: "failure", role: "alert" }, element("p", { text: model.error }));
  if (model.details) {
    box.append(element("details", {}, element("summary", { text: "What the engine said" }), element("pre", { text: model.details })));
  }
  return box;
}
