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
  async look({ signal } = {}) {
    let { lines, next } = await this.ask(signal);
    // A run that was resumed begins again at its checkpoint, with fewer lines than there were.
    if (next < this.next) {
      this.clear();
      ({ lines, next } = await this.ask(signal));
    }
    this.next = next;
    for (const line of lines) this.take(line);
    return lines.length > 0;
  }

  ask(signal) {
    return control(`training/runs/${encodeURIComponent(this.name)}/metrics?after=${this.next}`, undefined, { signal });
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
