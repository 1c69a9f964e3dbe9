// Where a model stands, in words: loaded, loading, failed, or none of it.

import { element } from "./dom.js";

export function stateWords(model) {
  if (!model) return "";
  if (model.state === "loading") return model.fraction ? `loading ${Math.round(model.fraction * 100)} %` : "loading";
  // A model of another server is there already.
  if (model.server) return model.state === "failed" ? "failed" : "";
  return { ready: "loaded", failed: "failed" }[model.state] ?? "not loaded";
}

export function failure(model) {
  const box = element("div", { class: "failure", role: "alert" }, element("p", { text: model.error }));
  if (model.details) {
    box.append(element("details", {}, element("summary", { text: "What the engine said" }), element("pre", { text: model.details })));
  }
  return box;
}
