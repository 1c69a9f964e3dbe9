// What was typed and not confirmed by the program yet, kept by the browser: it outlives the page and the program.

const PREFIX = "unsaved:";

export class UnsavedText {
  // False when the browser has no room for it.
  keep(id, version, change) {
    try {
      localStorage.setItem(PREFIX + id, JSON.stringify({ version, ...change }));
      return true;
    } catch {
      return false;
    }
  }

  // {version, start, removed, text}: a splice of that version's text; null when all was confirmed.
  get(id) {
    return JSON.parse(localStorage.getItem(PREFIX + id) ?? "null");
  }

  forget(id) {
    localStorage.removeItem(PREFIX + id);
  }
}
