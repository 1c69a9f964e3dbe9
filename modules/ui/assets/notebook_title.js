// The open document's title: given by the person, or taken from the first line.

const NAMED_CHARS = 40;
const TITLE_CHARS = 60;
const HEADING = /^#{1,6}\s+/u;
const LEADING_ON = /[\s,;:–—-]+$/u;

export class Titling {
  // `onNamed` is told the document, `onRefused` when the title stays as it was.
  constructor({ call, toasts, open, onNamed, onRefused }) {
    Object.assign(this, { call, toasts, document: open, onNamed, onRefused });
  }

  async rename(title) {
    this.document.isUnnamed = false;
    try {
      const answer = await this.call("notebook_rename", { id: this.document.id, title });
      this.onNamed(answer.document);
    } catch (error) {
      this.toasts.error(error);
      this.onRefused();
    }
  }

  // Once there is enough to name a new document by.
  nameOnce() {
    const { isUnnamed, text, isWriting } = this.document;
    const title = isUnnamed ? titleOf(text, isWriting) : null;
    if (title) this.rename(title);
  }
}

// The first line, when it is finished or long enough; null before. The marks of a heading, and those that lead on to
// what follows, are no part of it.
function titleOf(text, isFinished) {
  const [first, ...rest] = text.trimStart().split("\n");
  const line = first.replace(HEADING, "").trim();
  if (!line || (!rest.length && line.length < NAMED_CHARS && !isFinished)) return null;
  if (line.length <= TITLE_CHARS) return line.replace(LEADING_ON, "") || line;
  return `${line.slice(0, TITLE_CHARS).replace(/\s+\S*$/u, "").replace(LEADING_ON, "")}…`;
}
