// Counts, sizes, times and speeds as people read them.

import { sizeText } from "./dom.js";

const STEPS = [
  [1e12, "T"],
  [1e9, "B"],
  [1e6, "M"],
  [1e3, "K"],
];
const AGES = [
  [31_536_000, "year"],
  [2_592_000, "month"],
  [86_400, "day"],
  [3600, "hour"],
  [60, "minute"],
];

// 7_615_616_512 is 7.6B, 512 is 512.
export function countText(count) {
  const [step, letter] = STEPS.find(([least]) => count >= least) ?? [1, ""];
  const value = count / step;
  return `${letter && value < 100 ? Number(value.toFixed(1)) : Math.round(value)}${letter}`;
}

export function counted(count, word) {
  return `${countText(count)} ${word}${count === 1 ? "" : "s"}`;
}

export function agoText(seconds) {
  if (!seconds) return "";
  const age = Date.now() / 1000 - seconds;
  const [length, word] = AGES.find(([least]) => age >= least) ?? [0, ""];
  if (!length) return "just now";
  const number = Math.floor(age / length);
  return `${number} ${word}${number === 1 ? "" : "s"} ago`;
}

export function durationText(seconds) {
  if (seconds < 60) return `${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  return `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`;
}

export function contextText(tokens) {
  return tokens >= 1024 ? `${Math.round(tokens / 1024)}k` : String(tokens);
}

export function numberText(number) {
  return number.toLocaleString("en");
}

// Tokens a second: a slow machine's figure is not rounded to nothing.
export function speedNumber(value) {
  return numberText(value < 10 ? Number(value.toFixed(1)) : Math.round(value));
}

export function bytesText(bytes) {
  return sizeText(bytes) || "0 MB";
}

// Of files that may be small.
export function fileSizeText(bytes) {
  if (!bytes) return "empty";
  return bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1e3))} KB` : bytesText(bytes);
}

// "about 240 MB (220 MB to 270 MB)" of a figure with its error band.
export function bandText({ value, low, high }, write) {
  const [least, most] = [write(low), write(high)];
  return least === most ? `about ${write(value)}` : `about ${write(value)} (${least} to ${most})`;
}
