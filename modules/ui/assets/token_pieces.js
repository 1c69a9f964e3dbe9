// A text as pieces: the tokens that a model generated, and what stands between them.

// By probability: the least of each step, its class and its words. Each looks different without colours, too.
export const STEPS = [
  [0.9, "sure", "90 % or more"],
  [0.6, "likely", "60 to 90 %"],
  [0.3, "open", "30 to 60 %"],
  [0.1, "unlikely", "10 to 30 %"],
  [0, "rare", "under 10 %"],
];

export function stepOf(probability) {
  return STEPS.find(([least]) => probability >= least)[1];
}

export function percentText(probability) {
  const percent = probability * 100;
  if (percent > 0 && percent < 0.1) return "< 0.1 %";
  return `${percent.toFixed(percent > 99.9 && percent < 100 ? 2 : 1)} %`;
}

// Pieces of text[from:to]; a piece is {text} or {text, owner, index, probability}.
export function piecesOf(text, spans, from = 0, to = text.length) {
  const pieces = [];
  let place = from;
  for (const { version, first, start, chars, probabilities } of spans) {
    let at = start;
    for (const [offset, length] of chars.entries()) {
      if (length && at >= from && at + length <= to) {
        if (at > place) pieces.push({ text: text.slice(place, at) });
        pieces.push({ text: text.slice(at, at + length), owner: version, index: first + offset, probability: probabilities[offset] });
        place = at + length;
      }
      at += length;
    }
  }
  if (place < to) pieces.push({ text: text.slice(place, to) });
  return pieces;
}

// After a splice of the text: tokens behind it move, those it touches are nobody's any more.
export function movedSpans(spans, change) {
  if (!change) return spans;
  const end = change.start + change.removed;
  const shift = change.text.length - change.removed;
  return spans.flatMap((span) => {
    const ends = [];
    let at = span.start;
    for (const length of span.chars) ends.push((at += length));
    const before = ends.findIndex((one) => one > change.start);
    if (before < 0) return [span];
    const starts = [span.start, ...ends];
    const after = starts.findIndex((one) => one >= end);
    const left = part(span, 0, before, span.start);
    const right = after < 0 ? null : part(span, after, span.chars.length, starts[after] + shift);
    return [left, right].filter((one) => one?.chars.length);
  });
}

function part({ version, first, chars, probabilities }, from, to, start) {
  return { version, first: first + from, start, chars: chars.slice(from, to), probabilities: probabilities.slice(from, to) };
}

// White space as signs, so that a token can be seen.
export function visible(text) {
  return text.replaceAll(" ", "␣").replaceAll("\n", "⏎").replaceAll("\t", "⇥") || "(nothing)";
}
