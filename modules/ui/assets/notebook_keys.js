// The Notebook's keys: Ctrl+Enter writes on, Ctrl+Z and Ctrl+Y undo and redo.

// A button that cannot be pressed any more leaves the focus to the body of the page.
export function onNotebookKey(event, { node, text, onGenerate, onUndo, onRedo }) {
  const isMeant = event.target === document.body || node.contains(event.target);
  const isCommand = event.ctrlKey || event.metaKey;
  if (!isMeant || !isCommand || document.querySelector("dialog[open]")) return;
  const act = actOf(event, text.contains(event.target) || !event.target.matches("input, textarea, select"));
  if (!act) return;
  event.preventDefault();
  ({ generate: onGenerate, undo: onUndo, redo: onRedo })[act]();
}

// A form beside the text has its own undo.
function actOf({ key, shiftKey }, inText) {
  if (key === "Enter") return "generate";
  if (inText && key.toLowerCase() === "z") return shiftKey ? "redo" : "undo";
  return inText && key.toLowerCase() === "y" ? "redo" : null;
}
