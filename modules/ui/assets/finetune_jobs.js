// A job followed to its end, with its progress and the way to cancel it.

import { control } from "./control.js";
import { element } from "./dom.js";
import { button } from "./forms.js";
import { ActionError } from "./server.js";

const POLL_MS = 700;

export class JobProgress {
  constructor(label) {
    this.bar = element("progress", { max: 1, "aria-label": label });
    this.note = element("span", { class: "fine" });
    this.cancel = button("Cancel", () => this.stop(), "quiet-button", { "aria-label": `Cancel: ${label}` });
    this.node = element("div", { class: "job-progress", hidden: true }, this.bar, this.note, this.cancel);
  }

  // Resolves when the job is done or was cancelled, true when it is done; throws what it failed with.
  async follow(begun) {
    this.id = begun.id;
    this.node.hidden = false;
    this.cancel.disabled = false;
    try {
      let job = begun;
      while (job?.state === "running") {
        this.show(job);
        await new Promise((resolve) => setTimeout(resolve, POLL_MS));
        const { jobs } = await control("jobs");
        job = jobs.find((one) => one.id === begun.id);
      }
      if (job?.state !== "done" && job?.state !== "cancelled") throw new ActionError({ message: job?.error || "It was ended before it was done." });
      return job.state === "done";
    } finally {
      this.node.hidden = true;
    }
  }

  async stop() {
    this.cancel.disabled = true;
    this.note.textContent = "Cancelling …";
    await control(`jobs/${encodeURIComponent(this.id)}/cancel`, {});
  }

  show({ progress, note }) {
    if (this.cancel.disabled) return;
    if (progress === null) this.bar.removeAttribute("value");
    else this.bar.value = progress;
    this.note.textContent = [note, progress === null ? "" : `${Math.round(progress * 100)} %`].filter(Boolean).join(" · ");
  }
}
