// The overview of a client's run moves: state, newest values, and what was labelled.
import { live } from "../site/live.js";
import { formatNumber, h, readJson, setStatus } from "../site/ui.js";

const REFRESH_MS = 1200;
const ENDED = new Set(["completed", "failed", "stopped", "lost"]);
const place = readJson("run-live");
let timer = null;

/** Whether the person is writing in the part, so that it must not be replaced. */
function isBusy() {
  const part = document.getElementById("run-part");
  return part.contains(document.activeElement) && document.activeElement.matches("input, textarea");
}

function refreshSoon() {
  timer ??= setTimeout(function refresh() {
    if (isBusy()) { timer = setTimeout(refresh, REFRESH_MS); return; }
    timer = null;
    document.getElementById("run-part").dispatchEvent(new Event("run:changed"));
  }, REFRESH_MS);
}

function showMetrics({ series, thinned }) {
  let isNew = Boolean(thinned);
  const rows = new Map([...document.querySelectorAll("#metric-rows tr")].map((row) => [row.dataset.metric, row]));
  for (const [key, points] of Object.entries(series)) {
    const row = rows.get(key);
    if (!row) { isNew = true; continue; }
    const newest = points.reduce((best, point) => (point[0] >= best[0] ? point : best));
    if (newest[0] < Number(row.querySelector("[data-step]").textContent)) continue;
    row.querySelector("[data-value]").textContent = newest[1] === null ? "NaN" : formatNumber(newest[1], 6);
    row.querySelector("[data-step]").textContent = String(newest[0]);
  }
  if (isNew) refreshSoon();
}

function showStatus({ status }) {
  document.querySelectorAll('[data-status-for="run"]').forEach((pill) => setStatus(pill, status));
  if (ENDED.has(status)) for (const part of document.querySelectorAll("[data-while-active]")) part.remove();
  refreshSoon();
}

function showName({ name }) {
  document.querySelector(".page-title").replaceChildren(h("bdi", {}, name));
  refreshSoon();
}

const handlers = { "run.metrics": showMetrics, "run.status": showStatus, "run.labels": showName, "run.registered": refreshSoon };
live.follow(place.topic, place.after, ({ kind, data }) => handlers[kind]?.(data));
live.addEventListener("gone", () => location.reload());

// Searching in long tables ----------------------------------------------------------------------
const searched = new Map();
function applyFilter(id) {
  const words = (searched.get(id) ?? "").toLowerCase().split(/\s+/).filter(Boolean);
  for (const row of document.querySelectorAll(`#${id} tr`)) {
    const text = row.textContent.toLowerCase();
    row.hidden = !words.every((word) => text.includes(word));
  }
}
document.addEventListener("input", ({ target }) => {
  const id = target.dataset?.filter;
  if (!id) return;
  searched.set(id, target.value);
  applyFilter(id);
});
document.addEventListener("htmx:afterSwap", () => {
  for (const [id, words] of searched) {
    const box = document.querySelector(`[data-filter="${id}"]`);
    if (box) box.value = words;
    applyFilter(id);
  }
});
