// What the fields and states of a finetuning run are called.

import { bytesText, durationText, numberText, speedNumber } from "./words.js";

export const OBJECTIVES = { chat: "To answer as in these chats", text: "To go on as in these texts" };
export const METHODS = {
  lora: "LoRA: a small adapter",
  rslora: "rsLoRA: an adapter that scales to high ranks",
  dora: "DoRA: an adapter that is a little more exact, and slower",
  full: "Full: all weights of the model",
  prompt_tuning: "Prompt tuning: a few vectors in front",
};
export const METHOD_NAMES = { lora: "LoRA", rslora: "rsLoRA", dora: "DoRA", full: "Full", prompt_tuning: "Prompt tuning" };
export const FORMATS = {
  messages: "Chats (OpenAI messages)",
  sharegpt: "Chats (ShareGPT)",
  alpaca: "Instruction and output (Alpaca)",
  completion: "Prompt and completion",
  text: "Plain text",
};
export const STATES = {
  queued: "Waiting",
  running: "Running",
  stopped: "Stopped",
  done: "Done",
  failed: "Ended by an error",
  interrupted: "Interrupted",
};
const TITLES = { keep_best: "Result is the best checkpoint", epochs: "Passes over the data", seed: "Seed", processes: "Processes" };

export function titleOf(field) {
  return TITLES[field] ?? field[0].toUpperCase() + field.slice(1).replaceAll("_", " ");
}

export function lossText(loss) {
  return loss === null || loss === undefined ? "–" : loss.toFixed(3);
}

// Three digits that count: 0.842, 1e-3, 3e-4.
export function rateText(value) {
  const rounded = Number(value.toPrecision(3));
  return rounded !== 0 && Math.abs(rounded) < 0.01 ? rounded.toExponential() : String(rounded);
}

export function speedText(tokensPerSecond) {
  return `${speedNumber(tokensPerSecond)} tokens/s`;
}

// A value of a recipe as a person reads it.
export function valueText(value) {
  if (value === null || value === undefined) return "–";
  if (value === true) return "on";
  if (value === false) return "off";
  if (Array.isArray(value)) return value.join(", ") || "none";
  if (typeof value === "object") return value.path || sourceText(value);
  if (typeof value === "number") return value !== 0 && Math.abs(value) < 0.001 ? value.toExponential() : String(value);
  return METHOD_NAMES[value] ?? value;
}

// Why a value was chosen, without the value, which is seen beside it.
export function reasonText(reason = "") {
  const why = reason.replace(/^\S+: /, "");
  return why && why[0].toUpperCase() + why.slice(1);
}

// Where samples come from, in a few words.
export function sourceText(source) {
  if (!source) return "";
  if (source.dataset) return source.dataset;
  if (source.path) return endOf(source.path);
  if (source.hub) return [source.hub, source.hub_config, source.hub_split].filter(Boolean).join(" · ");
  const choice = source.conversations;
  if (!choice) return "";
  if (choice.ids?.length) return `${choice.ids.length} of your conversations`;
  const about = choice.search ? ` about “${choice.search}”` : "";
  return `your conversations${about}${choice.folder ? ` in the folder “${choice.folder}”` : ""}`;
}

// A long path is known by its last parts.
function endOf(path) {
  const end = path.split(/(?<=[\\/])/).slice(-2).join("");
  return end.length < path.length ? `…/${end}` : path;
}

// What is not told is left out.
export function runFacts({ model, method, seconds, peak_memory_bytes: memory, tokens_per_second: speed }) {
  return [model, METHOD_NAMES[method] ?? method, seconds ? durationText(seconds) : "", memory ? bytesText(memory) : "", speed ? speedText(speed) : ""].filter(Boolean).join(" · ");
}
