// What samplers, and what they are set to, are called.

const SAMPLERS = {
  model: "The model itself",
  bans: "Bans and biases",
  guidance: "Guidance",
  penalties: "Penalties",
  dry: "DRY",
  no_repeat_ngram: "No repeated n-grams",
  top_n_sigma: "Top-n-sigma",
  top_k: "Top-k",
  typ_p: "Typical-p",
  tfs: "Tail-free",
  top_a: "Top-a",
  epsilon: "Epsilon cutoff",
  eta: "Eta cutoff",
  top_p: "Top-p",
  min_p: "Min-p",
  xtc: "XTC",
  smoothing: "Smoothing",
  temperature: "Temperature",
  mirostat: "Mirostat",
  adaptive_p: "Adaptive-p",
};

export function samplerTitle(name) {
  return SAMPLERS[name] ?? name;
}

export function valueText(value) {
  if (value === null || value === undefined || value === "") return "–";
  if (value === true) return "on";
  if (value === false) return "off";
  if (Array.isArray(value)) return value.length ? value.map((one) => JSON.stringify(one)).join(", ") : "none";
  if (typeof value === "object") return JSON.stringify(value);
  return String(value);
}

// A field of one line writes a line break as \n.
export function escaped(text) {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll("\t", "\\t");
}

export function unescaped(text) {
  const meant = { n: "\n", t: "\t", "\\": "\\" };
  return text.replace(/\\([nt\\])/g, (_, letter) => meant[letter]);
}
