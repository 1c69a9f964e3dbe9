// What is known of a document as the program shows it: before there is one, and after a change was saved.

import { spliced } from "./notebook_splices.js";
import { movedSpans } from "./token_pieces.js";

export const EMPTY_VIEW = {
  document: { id: null, title: "", folder: "", revision: 0, memory: "", note: "", note_depth: 3 },
  version: 0,
  text: "",
  spans: [],
  can_undo: false,
  can_redo: false,
  generated: false,
  state: "complete",
  failure: "",
  model: "",
  stats: {},
  generations: [],
};

// The view after `change` was saved. A version that others know already is changed in place.
export function savedView(view, { version, revision, updated }, change) {
  const isOther = version !== view.version;
  return {
    ...view,
    version,
    text: spliced(view.text, change),
    spans: movedSpans(view.spans, change),
    document: { ...view.document, revision, updated },
    ...(isOther ? { can_undo: true, can_redo: false, generated: false, state: "complete", failure: "" } : {}),
  };
}

// Whether the program's short state is that of the view; while a model writes the revision grows all the time.
export function isSameState({ version, revision, generations }, view) {
  const isSameWriting = idsOf(generations) === idsOf(view.generations);
  if (generations.length && isSameWriting) return true;
  return isSameWriting && version === view.version && revision <= view.document.revision;
}

function idsOf(generations) {
  return generations.map((one) => one.id).sort().join();
}
