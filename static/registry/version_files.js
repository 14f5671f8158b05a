// Files of predictions move by themselves; a file that ends, or a new one, renews the list.
import { live } from "../site/live.js";
import { setProgress, setStatus } from "../site/ui.js";

const ENDED = new Set(["completed", "failed", "stopped", "lost"]);
let stops = [];
let renewal = null;

function follow() {
  for (const stop of stops) stop();
  stops = [...document.querySelectorAll("[data-batch][data-topic]")].map((row) => live.follow(row.dataset.topic, Number(row.dataset.after), ({ kind, data }) => {
    if (kind === "prediction.progressed") show(row.dataset.batch, data);
  }));
}

function show(id, { status, stage, progress }) {
  const row = document.querySelector(`[data-batch="${id}"]`);
  if (!row) return;
  for (const pill of row.querySelectorAll("[data-status-for]")) setStatus(pill, status);
  for (const bar of row.querySelectorAll("[data-progress-for]")) setProgress(bar, progress);
  const spot = row.querySelector("[data-batch-stage]");
  if (spot) spot.textContent = stage;
  if (ENDED.has(status)) renew();
}

function renew() {
  renewal ??= setTimeout(async () => {
    renewal = null;
    await globalThis.htmx.ajax("GET", location.href, { target: "#batches", select: "#batches", swap: "outerHTML" });
    follow();
  }, 300);
}

document.addEventListener("upload:done", renew);
live.addEventListener("gone", renew);
follow();
