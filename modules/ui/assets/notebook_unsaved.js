// What was typed and not confirmed by the program yet, kept by the browser: it outlives the page and the program.

export class Unsaved {
  // `prefix` tells one kind of what is kept from another.
  constructor(prefix) {
    this.prefix = prefix;
  }

  // False when the browser has no room for it.
  keep(id, value) {
    try {
      localStorage.setItem(this.prefix + id, JSON.stringify(value));
      return true;
    } catch {
      return false;
    }
  }

  // Null when all was confirmed.
  get(id) {
    return JSON.parse(localStorage.getItem(this.prefix + id) ?? "null");
  }

  forget(id) {
    localStorage.removeItem(this.prefix + id);
  }
}
