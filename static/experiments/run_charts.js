// A run's metrics as curves: grouped by prefix, loaded when they come into view, finer after zooming in.
import { envelopeChart } from "../site/run_charts.js";
import { live } from "../site/live.js";
import { h, readJson, request, setStatus, toast } from "../site/ui.js";
import { bounds, ChartTools, placed } from "./chart_tools.js";

const root = document.querySelector("[data-charts]");
const place = readJson("run-live");
const data = readJson("run-metrics");
const words = root.dataset;
const isSystem = data.tab === "system";
const panels = new Map(); // metric → panel
const groups = new Map(); // prefix → section
const BATCH = 12;

const prefixOf = (key) => {
  const parts = (isSystem ? key.replace(/^system\//, "") : key).split("/");
  return parts.length > 1 ? parts.slice(0, -1).join("/") : "";
};

function groupFor(prefix) {
  if (groups.has(prefix)) return groups.get(prefix);
  const grid = h("div", { class: "card-body cards cards-wide" });
  const section = h("section", { class: "card chart-group" }, h("div", { class: "card-header" }, h("h2", { class: "card-title" }, h("bdi", {}, prefix || words.wordOthers))), grid);
  if (!prefix && !groups.size) section.querySelector(".card-header").hidden = true;
  groups.set(prefix, { section, grid });
  const after = [...groups].filter(([name]) => name > prefix).sort(([a], [b]) => (a < b ? -1 : 1))[0];
  const list = root.querySelector("[data-groups]");
  if (after) list.insertBefore(section, after[1].section);
  else list.append(section);
  const first = groups.get("");
  if (first && groups.size > 1) first.section.querySelector(".card-header").hidden = false;
  return groups.get(prefix);
}

/** One metric: its place in the page, its points, the part that is shown. */
class Panel {
  constructor(key) {
    this.key = key;
    this.points = [];
    this.window = null;
    this.isLoaded = false;
    this.isSeen = false;
    const title = h("bdi", { class: "mono" }, isSystem ? key.replace(/^system\//, "") : key);
    this.whole = h("button", { type: "button", class: "btn btn-sm btn-ghost", hidden: true, onclick: () => this.zoom(null) }, words.wordWhole);
    this.box = h("div", { class: "chart", role: "img", "aria-label": key });
    this.element = h("figure", { class: "chart-figure curve", "data-metric": key }, h("figcaption", { class: "chart-title chart-head" }, title, this.whole), this.box);
    groupFor(prefixOf(key)).grid.append(this.element);
    seen.observe(this.element);
  }

  draw() {
    if (!this.isSeen) return;
    const { x, log, band, smooth } = tools.settings;
    const name = { step: words.wordStep, time: words.wordTime, relative: words.wordRelative }[x];
    const spec = { x: { name, type: x === "time" ? "time" : "value" }, log, band, smooth, window: this.window, series: [{ name: this.key, points: placed(this.points, x, data.start) }] };
    if (this.chart) this.chart.update(spec);
    else this.chart = envelopeChart(this.box, spec, (part) => this.zoom(part));
  }

  zoom(part) {
    if (!part && !this.window) return;
    this.window = part;
    this.whole.hidden = !part;
    load([this]);
  }
}

const seen = new IntersectionObserver((entries) => {
  const fresh = [];
  for (const { isIntersecting, target } of entries) {
    const panel = panels.get(target.dataset.metric);
    panel.isInView = isIntersecting;
    if (isIntersecting && !panel.isSeen) { panel.isSeen = true; fresh.push(panel); }
    else if (isIntersecting && panel.isStale) fresh.push(panel);
  }
  load(fresh);
}, { rootMargin: "300px" });

function load(wanted) {
  const whole = wanted.filter((panel) => !panel.window);
  for (let at = 0; at < whole.length; at += BATCH) fetchCurves(whole.slice(at, at + BATCH), {});
  for (const panel of wanted) if (panel.window) fetchCurves([panel], bounds(panel.window, tools.settings.x, data.start));
}

async function fetchCurves(wanted, part) {
  const by = tools.settings.x === "step" ? "step" : "time";
  const query = new URLSearchParams({ by, buckets: "700", ...part });
  for (const { key } of wanted) query.append("key", key);
  for (const panel of wanted) { panel.isStale = false; panel.asked = by; }
  try {
    const { series } = await request(`${words.seriesUrl}?${query}`);
    for (const panel of wanted) if (panel.asked === by) { panel.points = series[panel.key] ?? []; panel.isLoaded = true; panel.draw(); }
  } catch (error) {
    toast(error.message, "error");
  }
}

let lastX = null;
function settingsChanged({ find, x }) {
  for (const panel of panels.values()) panel.element.hidden = Boolean(find) && !find.split(/\s+/).every((word) => panel.key.toLowerCase().includes(word));
  for (const { section, grid } of groups.values()) section.hidden = [...grid.children].every((one) => one.hidden);
  if (x !== lastX) {
    const reload = lastX !== null;
    lastX = x;
    if (reload) {
      for (const panel of panels.values()) { panel.window = null; panel.whole.hidden = true; panel.isStale = true; }
      load([...panels.values()].filter(({ isSeen, isInView }) => isSeen && isInView));
    }
    return;
  }
  for (const panel of panels.values()) panel.draw();
}
const tools = new ChartTools(document.querySelector("[data-chart-tools]"), settingsChanged);

function show(key) {
  if (key.startsWith("system/") !== isSystem || panels.has(key)) return;
  document.querySelector("[data-no-metrics]")?.remove();
  const panel = new Panel(key);
  panels.set(key, panel);
}
for (const key of data.keys) show(key);
settingsChanged(tools.settings);

// Points that arrive are drawn at once along steps; the exact envelope follows from the server.
let stale = new Set();
let timer = null;
function arrived(key, points) {
  show(key);
  const panel = panels.get(key);
  if (!panel) return;
  if (tools.settings.x === "step" && !panel.window && points) {
    for (const [step, value] of points) {
      const last = panel.points.at(-1);
      if (!last || step > last[0]) panel.points.push([step, value, value, value, 1]);
      else if (step === last[0]) panel.points[panel.points.length - 1] = [step, Math.min(last[1] ?? value, value), Math.max(last[2] ?? value, value), value, last[4] + 1];
    }
    panel.draw();
  }
  stale.add(panel);
  timer ??= setTimeout(() => {
    timer = null;
    const wanted = stale;
    stale = new Set();
    for (const one of wanted) one.isStale = true;
    load([...wanted].filter(({ isInView }) => isInView));
  }, 3000);
}

live.follow(place.topic, place.after, ({ kind, data: event }) => {
  if (kind === "run.metrics") for (const [key, points] of Object.entries(event.series)) arrived(key, event.thinned ? null : points);
  else if (kind === "run.status") document.querySelectorAll('[data-status-for="run"]').forEach((pill) => setStatus(pill, event.status));
});
live.addEventListener("gone", () => location.reload());
