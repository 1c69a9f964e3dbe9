// The figures of one run as they are told: what is new is asked for, what was known is kept.

import { control } from "./control.js";

export class RunMetrics {
  constructor(name) {
    this.name = name;
    this.clear();
  }

  clear() {
    this.next = 0;
    this.steps = [];
    this.evaluations = [];
    this.answers = [];
    this.checkpoints = [];
  }

  // True when there was something new.
  async look() {
    const { lines, next } = await control(`training/runs/${encodeURIComponent(this.name)}/metrics?after=${this.next}`);
    // A resumed run has fewer lines than there were; then all of them are told.
    if (next < this.next) this.clear();
    this.next = next;
    for (const line of lines) this.take(line);
    return lines.length > 0;
  }

  take(line) {
    const kept = { step: this.steps, evaluation: this.evaluations, answer: this.answers, checkpoint: this.checkpoints }[line.kind];
    if (!kept) return;
    // Steps behind a checkpoint are taken anew after a resume.
    if (line.kind === "step") while (kept.length && kept.at(-1).step >= line.step) kept.pop();
    kept.push(line);
  }

  // Points [step, value] of a figure of the steps.
  curve(figure) {
    return this.steps.map((one) => [one.step, one[figure]]);
  }

  get evaluationCurve() {
    return this.evaluations.map((one) => [one.step, one.loss]);
  }
}
