// The open document's title: given by the person, or taken from the first line.

const NAMED_CHARS = 40;
const TITLE_CHARS = 60;

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

// The first line, when it is finished or long enough; null before.
function titleOf(text, isFinished) {
  const [line, ...rest] = text.trimStart().split("\n");
  if (!line || (!rest.length && line.length < NAMED_CHARS && !isFinished)) return null;
  if (line.length <= TITLE_CHARS) return line.trim();
  return `${line.slice(0, TITLE_CHARS).replace(/\s+\S*$/u, "")}…`;
}
