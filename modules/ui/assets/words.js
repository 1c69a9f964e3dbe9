// Figures in the words of the page.

import { sizeText } from "./dom.js";

const DAY_SECONDS = 86400;

// 135 M, 7.2 B; empty when it is not known.
export function countText(count) {
  if (!count) return "";
  if (count >= 999.5e6) return `${(count / 1e9).toFixed(count >= 99.5e9 ? 0 : 1)} B`;
  if (count >= 1e6) return `${Math.round(count / 1e6)} M`;
  return numberText(count);
}

export function numberText(number) {
  return number.toLocaleString("en");
}

// Of a time in seconds; null is never.
export function agoText(seconds) {
  if (!seconds) return "never";
  const midnight = new Date().setHours(0, 0, 0, 0) / 1000;
  const days = Math.ceil((midnight - seconds) / DAY_SECONDS);
  if (days <= 0) return "today";
  if (days === 1) return "yesterday";
  if (days < 60) return `${days} days ago`;
  return new Date(seconds * 1000).toLocaleDateString();
}

// "about 240 MB (220 MB to 270 MB)" of a figure with its error band.
export function bandText({ value, low, high }, write) {
  const [least, most] = [write(low), write(high)];
  return least === most ? `about ${write(value)}` : `about ${write(value)} (${least} to ${most})`;
}

export function bytesText(bytes) {
  return sizeText(bytes) || "0 MB";
}

export function plural(count, word) {
  return `${numberText(count)} ${word}${count === 1 ? "" : "s"}`;
}
