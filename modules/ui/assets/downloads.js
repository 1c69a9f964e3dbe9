// Downloads: each with its progress and what can be done with it, and a small sign of them that is always in sight.

import { element, icon, sizeText } from "./dom.js";
import { button } from "./forms.js";
import { agoText, durationText } from "./words.js";

const POLL_MS = 1000;
const ACTIVE = ["queued", "running"];
// What can be done in each state: the action, and its word.
const DEEDS = {
  queued: [["pause", "Pause"], ["cancel", "Cancel"]],
  running: [["pause", "Pause"], ["cancel", "Cancel"]],
  paused: [["resume", "Resume"], ["cancel", "Cancel"]],
  failed: [["resume", "Try again"], ["remove", "Remove"]],
  cancelled: [["remove", "Remove"]],
  done: [["remove", "Remove from the list"]],
};

export class DownloadList {
  // `onOpen` leads to this section, `onLoad(id)` to loading what was downloaded; `onChange` is called after new models
  // came, `onLook(downloads)` whenever the program has told of them.
  constructor({ call, toasts, onChange, onOpen, onLoad, onLook }) {
    Object.assign(this, { call, toasts, onChange, onLoad, onLook });
    this.downloads = null;
    this.isShown = false;
    this.rows = new Map();
    this.status = element("p", { class: "hub-status" });
    this.list = element("ul", { class: "download-list", "aria-label": "Downloads" });
    this.announcer = element("div", { class: "off-screen", role: "status" });
    this.node = element("div", { class: "downloads" }, this.status, this.list, this.announcer);
    this.signText = element("span", { class: "sign-text" });
    this.sign = element("button", { type: "button", class: "download-sign", hidden: true, onclick: () => onOpen() }, icon("download"), this.signText);
  }

  show() {
    this.isShown = true;
    return this.look();
  }

  hide() {
    this.isShown = false;
  }

  // Asks once; goes on asking while something is on its way, or the list is in sight.
  async look() {
    clearTimeout(this.timer);
    try {
      this.take((await this.call("download_list")).downloads);
    } catch (error) {
      this.status.textContent = error.message;
    }
    const goesOn = this.isShown || this.downloads?.some((one) => ACTIVE.includes(one.state));
    if (goesOn) this.timer = setTimeout(() => this.look(), document.hidden ? POLL_MS * 10 : POLL_MS);
  }

  take(downloads) {
    const before = new Map(this.downloads?.map((one) => [one.id, one.state]));
    const ended = downloads.filter((one) => ACTIVE.includes(before.get(one.id)) && ["done", "failed"].includes(one.state));
    this.downloads = downloads;
    this.showSign();
    this.status.textContent = downloads.length ? "" : "Nothing was downloaded yet. What you download from the hub is shown here.";
    const rows = downloads.map((one) => this.rowOf(one));
    const focus = document.activeElement;
    for (const [place, row] of rows.entries()) if (this.list.children[place] !== row) this.list.insertBefore(row, this.list.children[place] ?? null);
    while (this.list.children.length > rows.length) this.list.lastChild.remove();
    if (this.list.contains(focus)) focus.focus({ preventScroll: true });
    this.rows = new Map(downloads.map((one) => [one.id, this.rows.get(one.id)]));
    for (const one of ended) this.announce(one);
    this.onLook(downloads);
  }

  announce({ target, model, state, error }) {
    if (state === "failed") {
      this.toasts.show(`${target} was not downloaded. ${error}`, { isError: true });
      return;
    }
    this.toasts.show(`${target} is here.`, model ? { action: "Load…", onAction: () => this.onLoad(model) } : {});
    this.onChange();
  }

  showSign() {
    const active = this.downloads.filter((one) => ACTIVE.includes(one.state));
    this.sign.hidden = !active.length;
    const size = sum(active, "size_bytes");
    const percent = size ? Math.floor((sum(active, "done_bytes") / size) * 100) : 0;
    this.signText.textContent = active.length > 1 ? `${active.length} · ${percent} %` : `${percent} %`;
    this.sign.setAttribute("aria-label", `${active.length} ${active.length === 1 ? "download" : "downloads"}, ${percent} %`);
  }

  // A row is made anew when the download comes into another state, so that its buttons keep the focus meanwhile.
  rowOf(download) {
    const shown = JSON.stringify([download.state, download.target, download.model, download.error]);
    let row = this.rows.get(download.id);
    if (row?.dataset.shown !== shown) {
      const hadFocus = row?.contains(document.activeElement);
      const old = row;
      row = this.build(download);
      row.dataset.shown = shown;
      old?.replaceWith(row);
      if (hadFocus) row.querySelector("button").focus();
      this.rows.set(download.id, row);
    }
    const bar = row.querySelector("progress");
    if (bar) bar.value = download.size_bytes ? download.done_bytes / download.size_bytes : 0;
    const progress = row.querySelector(".download-progress");
    if (progress) progress.textContent = progressText(download);
    row.querySelector(".download-state").textContent = stateText(download);
    return row;
  }

  build(download) {
    const { id, target, model, source, state, error } = download;
    const isUnderway = state !== "done" && state !== "cancelled";
    const deeds = DEEDS[state].map(([deed, word]) =>
      button(word, () => this.act(deed, id), "quiet-button", { "aria-label": `${word}: ${target}` }),
    );
    if (state === "done" && model) deeds.unshift(button("Load…", () => this.onLoad(model), "strong-button", { "aria-label": `Load ${target}` }));
    return element(
      "li",
      { class: `download ${state}` },
      element(
        "div",
        { class: "download-what" },
        element("span", { class: "download-name", dir: "auto", text: target }),
        element("span", { class: "download-source", dir: "auto", text: source }),
        isUnderway ? element("progress", { max: 1, "aria-label": `${target}, progress` }) : null,
        element("span", { class: "download-state" }),
        isUnderway ? element("span", { class: "download-progress" }) : null,
        error ? element("p", { class: "download-error", text: error }) : null,
      ),
      element("div", { class: "download-deeds" }, ...deeds),
    );
  }

  async act(deed, id) {
    try {
      await this.call(`download_${deed}`, { id });
    } catch (error) {
      this.toasts.error(error);
    }
    await this.look();
  }

  // What was just begun elsewhere on the page.
  begun({ target }, isInSight = this.isShown) {
    if (!isInSight) this.toasts.show(`Downloading ${target}.`, { action: "Show", onAction: () => this.sign.click() });
    return this.look();
  }
}

function stateText({ state, note, ended, size_bytes: size }) {
  const words = {
    queued: "Waiting for others",
    running: "Downloading",
    paused: "Paused",
    failed: "Failed",
    cancelled: "Cancelled",
    done: `Complete and checked, ${sizeText(size)}`,
  };
  const age = ended ? agoText(ended) : "";
  return [words[state], note, age].filter(Boolean).join(" · ");
}

function progressText(download) {
  const { done_bytes: done, size_bytes: size, files, files_done: filesDone, state } = download;
  const words = [
    `${sizeText(done) || "0 MB"} of ${sizeText(size)}`,
    files > 1 ? `${filesDone} of ${files} files` : "",
  ];
  if (state === "running") {
    words.push(download.bytes_per_second ? `${(download.bytes_per_second / 1e6).toFixed(1)} MB/s` : "");
    words.push(download.seconds_left ? `${durationText(download.seconds_left)} left` : "");
  }
  return words.filter(Boolean).join(" · ");
}

function sum(downloads, name) {
  return downloads.reduce((total, one) => total + one[name], 0);
}
