// A job followed to its end, with its progress.

import { control } from "./control.js";
import { element } from "./dom.js";

const POLL_MS = 700;

export class JobProgress {
  constructor(label) {
    this.bar = element("progress", { max: 1, "aria-label": label });
    this.note = element("span", { class: "fine" });
    this.node = element("div", { class: "job-progress", hidden: true }, this.bar, this.note);
  }

  // Resolves when the job is done; throws what it failed with.
  async follow(begun) {
    this.node.hidden = false;
    try {
      let job = begun;
      while (job?.state === "running") {
        this.show(job);
        await new Promise((resolve) => setTimeout(resolve, POLL_MS));
        const { jobs } = await control("jobs");
        job = jobs.find((one) => one.id === begun.id);
      }
      if (job?.state !== "done") throw new Error(job?.error || "It was ended before it was done.");
    } finally {
      this.node.hidden = true;
    }
  }

  show({ progress, note }) {
    if (progress === null) this.bar.removeAttribute("value");
    else this.bar.value = progress;
    this.note.textContent = [note, progress === null ? "" : `${Math.round(progress * 100)} %`].filter(Boolean).join(" · ");
  }
}
