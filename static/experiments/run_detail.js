// The run page moves by itself: state, stage, progress, curves, log, resources. Values in events are
// absolute, so replaying one that the page already shows does no harm.
import { lineChart } from "../site/charts.js";
import { live } from "../site/live.js";
import { formatBytes, formatDuration, h, readJson, setProgress, setStatus, toast } from "../site/ui.js";

const place = readJson("run-live");
const words = readJson("run-words");
const CONTROLS = { queued: ["pause", "stop"], running: ["pause", "stop"], pausing: ["stop"], paused: ["resume", "stop"], failed: ["retry"], lost: ["retry"], stopped: ["retry"] };
const ENDED = new Set(["completed", "failed", "stopped", "lost"]);
const HOLDS_RESOURCES = new Set(["running", "pausing", "stopping"]);
const MAX_LINES = 1000;
const find = (name) => document.querySelector(`[data-run-${name}]`);
const write = (name, text) => { const spot = find(name); if (spot) spot.textContent = text; };

// Metrics that end alike share a chart: train_loss with validation_loss, fold_2/train_loss apart.
const chartKey = (metric) => metric.replace(/^(fold_\d+\/)?(train|validation|test)_/, "$1");
// "fold_2/validation_loss" is the loss on the held-out rows of fold 2.
function seriesName(metric) {
  const [, fold, sample] = /^(?:fold_(\d+)\/)?(?:(train|validation|test)_)?/.exec(metric);
  const rows = words.terms[sample] ?? metric;
  return fold ? `${words.terms.fold} ${fold}, ${rows}` : rows;
}
const charts = new Map();
const points = new Map();

function chartFor(key) {
  if (charts.has(key)) return charts.get(key);
  document.querySelector("[data-run-curves]").hidden = false;
  const box = h("div", { class: "chart", id: `curve-${charts.size}` });
  const title = words.curves[key] ?? key;
  document.getElementById("curves").append(h("figure", { class: "chart-figure curve" }, h("figcaption", { class: "chart-title" }, title), box));
  const chart = lineChart(box, { x: { name: words.terms.step }, y: { name: "", scale: true }, series: [], zoom: true, label: title });
  charts.set(key, chart);
  return chart;
}

function draw(keys) {
  for (const key of keys) {
    const series = [...points].filter(([metric]) => chartKey(metric) === key).map(([metric, line]) => ({
      name: seriesName(metric),
      data: [...line].sort((a, b) => a[0] - b[0]),
      dashed: metric.includes("validation"),
    }));
    chartFor(key).update({ series });
  }
}

let waiting = new Set();
let timer = null;
function addPoints(metric, line) {
  if (!points.has(metric)) points.set(metric, new Map());
  for (const [step, value] of line) points.get(metric).set(step, value);
  waiting.add(chartKey(metric));
  timer ??= setTimeout(() => { timer = null; const keys = waiting; waiting = new Set(); draw(keys); }, 200);
}

let etaUntil = null;
function showEta(seconds) {
  etaUntil = seconds === null || seconds === undefined ? null : Date.now() + seconds * 1000;
  tick();
}
function tick() {
  const left = etaUntil === null ? null : Math.max(0, (etaUntil - Date.now()) / 1000);
  write("eta", left === null || ENDED.has(place.status) ? "" : words.terms.left.replace("%s", formatDuration(left)));
}
setInterval(tick, 1000);

function showStatus({ status, stage, progress, attempt }) {
  const changed = place.status !== status;
  place.status = status;
  document.querySelectorAll('[data-status-for="run"]').forEach((pill) => setStatus(pill, status));
  write("attempt", String(attempt));
  if (!HOLDS_RESOURCES.has(status)) { write("cpu", "—"); write("memory", "—"); }
  write("sentence", words.sentences[status] ?? "");
  find("sentence").hidden = !(status in words.sentences);
  showProgress({ stage, progress, eta_s: null });
  for (const button of document.querySelectorAll("[data-run-controls] button")) {
    button.hidden = !(CONTROLS[status] ?? []).includes(button.value);
  }
  if (changed && ENDED.has(status)) setTimeout(() => location.reload(), 700); // report, notes and buttons of the end
}

function showProgress({ stage, progress, eta_s, units_done, units_total }) {
  find("progress").hidden = place.status === "completed";
  write("stage", words.stages[stage] ?? stage);
  write("percent", `${Math.round(progress)} %`);
  setProgress(document.querySelector('[data-progress-for="run"]'), progress);
  if (eta_s !== undefined) showEta(eta_s);
  if (units_total) write("units", `${units_done} / ${units_total}`);
}

const log = document.getElementById("run-log");
let lastLine = Number(log.lastElementChild?.dataset.line ?? 0);
function addLines(lines) {
  if (lines.length) { log.hidden = false; find("log-empty").hidden = true; }
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  for (const { n, level, text } of lines) {
    if (n <= lastLine) continue;
    lastLine = n;
    log.append(h("span", { "data-line": n, "data-level": level }, `${text}\n`));
  }
  while (log.childElementCount > MAX_LINES) log.firstElementChild.remove();
  if (atEnd) log.scrollTop = log.scrollHeight;
}

const handlers = {
  "run.status": showStatus,
  "run.progressed": showProgress,
  "run.metrics": ({ series }) => { for (const [metric, line] of Object.entries(series)) addPoints(metric, line); },
  "run.log": ({ lines }) => addLines(lines),
  "run.resources": ({ cpu_percent, rss_bytes }) => {
    write("cpu", cpu_percent === null ? "—" : `${Math.round(cpu_percent)} %`);
    write("memory", rss_bytes === null ? "—" : formatBytes(rss_bytes));
  },
  "run.evaluated": () => { if (ENDED.has(place.status)) setTimeout(() => location.reload(), 500); },
  "run.registered": ({ model, version }) => toast(`${model} v${version}`, "success"),
};

for (const [metric, line] of Object.entries(readJson("run-curves"))) addPoints(metric, line);
const eta = find("eta")?.dataset.etaS;
if (eta) showEta(Number(eta));
log.scrollTop = log.scrollHeight;
live.follow(place.topic, place.after, ({ kind, data }) => handlers[kind]?.(data));
live.addEventListener("gone", () => location.reload());

document.querySelector("[data-run-controls]")?.addEventListener("submit", async (event) => {
  if (event.defaultPrevented) return; // a confirmation is open
  event.preventDefault();
  const form = event.currentTarget;
  const body = new FormData(form, event.submitter);
  try {
    // Not form.action: the buttons of that name hide the property.
    const answer = await fetch(form.getAttribute("action"), { method: "POST", body, headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).message ?? answer.statusText);
    const { status } = await answer.json();
    document.querySelectorAll('[data-status-for="run"]').forEach((pill) => setStatus(pill, status));
  } catch (error) {
    toast(error.message, "error");
  }
});
