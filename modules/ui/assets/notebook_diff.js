// Two texts word by word: what both have, what only the first has, what only the second.

const WORDS = /\s+|[\p{L}\p{N}_]+|[^\s\p{L}\p{N}_]/gu;
// So many words that are the same between two passages that were replaced do not part them: it would read like confetti.
const BRIDGE_WORDS = 1;
// Texts further apart are not looked through: what differs is shown as one passage.
const MOST_STEPS = 500;

// A list of [kind, text] with kind "same", "first" or "second", in reading order.
export function wordDifference(first, second) {
  const [a, b] = [first.match(WORDS) ?? [], second.match(WORDS) ?? []];
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start += 1;
  let end = 0;
  while (end < a.length - start && end < b.length - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end += 1;
  const middle = edits(a.slice(start, a.length - end), b.slice(start, b.length - end));
  const all = [["same", a.slice(0, start).join("")], ...middle, ["same", a.slice(a.length - end).join("")]];
  return joined(all.filter(([, text]) => text));
}

// Myers, "An O(ND) Difference Algorithm and Its Variations" (1986): the furthest reaching paths of ever more edits.
function edits(a, b) {
  const reach = new Map([[1, 0]]);
  const history = [];
  const most = Math.min(a.length + b.length, MOST_STEPS);
  for (let steps = 0; steps <= most; steps += 1) {
    history.push(new Map(reach));
    for (let diagonal = -steps; diagonal <= steps; diagonal += 2) {
      let x = comesFromAbove(reach, diagonal, steps) ? reach.get(diagonal + 1) : reach.get(diagonal - 1) + 1;
      while (x < a.length && x - diagonal < b.length && a[x] === b[x - diagonal]) x += 1;
      reach.set(diagonal, x);
      if (x >= a.length && x - diagonal >= b.length) return walked(history, a, b);
    }
  }
  return [["first", a.join("")], ["second", b.join("")]];
}

function comesFromAbove(reach, diagonal, steps) {
  return diagonal === -steps || (diagonal !== steps && reach.get(diagonal - 1) < reach.get(diagonal + 1));
}

// Back from the end along the path that reached it.
function walked(history, a, b) {
  const found = [];
  let [x, y] = [a.length, b.length];
  for (let steps = history.length - 1; steps >= 0; steps -= 1) {
    const diagonal = x - y;
    const isDown = comesFromAbove(history[steps], diagonal, steps);
    const before = isDown ? diagonal + 1 : diagonal - 1;
    const beforeX = steps ? history[steps].get(before) : 0;
    const beforeY = steps ? beforeX - before : 0;
    while (x > beforeX && y > beforeY && a[x - 1] === b[y - 1]) {
      x -= 1;
      y -= 1;
      found.push(["same", a[x]]);
    }
    if (!steps) break;
    if (isDown) found.push(["second", b[(y -= 1)]]);
    else found.push(["first", a[(x -= 1)]]);
  }
  return found.reverse();
}

// Neighbours of one kind become one; of a passage that was replaced, what is gone comes first. Words that were replaced
// one by one are one passage, with the little between them.
function joined(pieces) {
  const out = [];
  let waiting = { first: "", second: "" };
  let bridge = "";
  const add = (kind, text) => {
    if (!text) return;
    if (out.at(-1)?.[0] === kind) out.at(-1)[1] += text;
    else out.push([kind, text]);
  };
  const flush = () => {
    for (const kind of ["first", "second"]) add(kind, waiting[kind]);
    add("same", bridge);
    waiting = { first: "", second: "" };
    bridge = "";
  };
  for (const [kind, text] of pieces) {
    if (kind !== "same") {
      for (const one of ["first", "second"]) waiting[one] += bridge;
      waiting[kind] += text;
      bridge = "";
    } else if (waiting.first && waiting.second && wordsIn(bridge + text) <= BRIDGE_WORDS) {
      bridge += text;
    } else {
      flush();
      add("same", text);
    }
  }
  flush();
  return out;
}

function wordsIn(text) {
  return text.match(/[\p{L}\p{N}_]+/gu)?.length ?? 0;
}
