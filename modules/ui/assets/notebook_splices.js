// Changes of a text as splices: text[:start] + inserted + text[start + removed:]. Positions count UTF-16 units.

export function spliced(text, { start, removed, text: inserted }) {
  return text.slice(0, start) + inserted + text.slice(start + removed);
}

// The smallest splice that makes `after` of `before`; null when they are the same.
export function difference(before, after) {
  if (before === after) return null;
  const shorter = Math.min(before.length, after.length);
  let start = 0;
  while (start < shorter && before.charCodeAt(start) === after.charCodeAt(start)) start += 1;
  if (isInsidePair(before, start) || isInsidePair(after, start)) start -= 1;
  let kept = 0;
  const mostKept = shorter - start;
  while (kept < mostKept && before.charCodeAt(before.length - 1 - kept) === after.charCodeAt(after.length - 1 - kept)) kept += 1;
  if (isInsidePair(before, before.length - kept) || isInsidePair(after, after.length - kept)) kept -= 1;
  return { start, removed: before.length - kept - start, text: after.slice(start, after.length - kept) };
}

// Both changes of one text; null when they touch the same place.
export function merged(base, mine, theirs) {
  if (mine === theirs) return mine;
  const [own, other] = [difference(base, mine), difference(base, theirs)];
  if (!own) return theirs;
  if (!other) return mine;
  const [first, second] = own.start < other.start ? [own, other] : [other, own];
  if (first.start + first.removed > second.start || first.start === second.start) return null;
  return spliced(spliced(base, second), first);
}

// Where a position of the text before stands in the text after.
export function moved(position, change) {
  if (!change || position <= change.start) return position;
  if (position >= change.start + change.removed) return position + change.text.length - change.removed;
  return change.start + change.text.length;
}

// The beginning of a text, no longer than `length` and with no character cut in half.
export function beginning(text, length) {
  return text.slice(0, isInsidePair(text, length) ? length - 1 : length);
}

function isInsidePair(text, position) {
  const before = text.charCodeAt(position - 1);
  const after = text.charCodeAt(position);
  return before >= 0xd800 && before < 0xdc00 && after >= 0xdc00 && after < 0xe000;
}
