// Runs over one another: curves of a metric, parallel coordinates, scatter; what is shown stands in the address.
import { scatter } from "../site/charts.js";
import { envelopeChart, parallelChart } from "../site/run_charts.js";
import { byId, h, readJson, request, t, toast } from "../site/ui.js";
import { bounds, ChartTools, placed } from "./chart_tools.js";

const root = document.querySelector("[data-compare]");
const { runs, columns } = readJson("compare-data");
const words = root.dataset;
const find = (name) => root.querySelector(`[data-${name}]`);
const asked = new URLSearchParams(location.search);
const metrics = columns.filter(({ kind }) => kind === "metrics");
const params = columns.filter(({ kind }) => kind === "params");
const numbers = columns.filter(({ number }) => number);
const MOST_AXES = Math.max(4, Math.min(10, Math.floor(innerWidth / 90)));

function keep(name, value) {
  const url = new URL(location.href);
  if (value) url.searchParams.set(name, value);
  else url.searchParams.delete(name);
  history.replaceState(null, "", url);
}

function fill(select, list, wanted) {
  select.replaceChildren(...list.map(({ id, label }) => h("option", { value: id, selected: id === wanted }, label)));
}

const nameCounts = new Map();
for (const { name } of runs) nameCounts.set(name, (nameCounts.get(name) ?? 0) + 1);
const titleOf = ({ name, uuid }) => (nameCounts.get(name) > 1 ? `${name} · ${uuid.slice(0, 6)}` : name);

// Curves --------------------------------------------------------------------------------------
const metric = find("metric");
const whole = find("whole");
const first = metrics.find(({ id }) => id === asked.get("metric")) ?? metrics.find(({ better }) => better) ?? metrics.find(({ label }) => !label.startsWith("system/")) ?? metrics[0];
fill(metric, metrics, first?.id);
let chart = null;
let part = null;
let points = new Map();
let lastX = null;

async function loadCurves() {
  const chosen = columns.find(({ id }) => id === metric.value);
  if (!chosen) return;
  const { x } = tools.settings;
  const query = new URLSearchParams({ runs: words.runs, key: chosen.label, by: x === "step" ? "step" : "time", buckets: runs.length > 20 ? "300" : "700", ...(part && x !== "relative" ? bounds(part, x, null) : {}) });
  try {
    const { series } = await request(`${words.seriesUrl}?${query}`);
    points = new Map(series.map(({ run, points: line }) => [run, line]));
    draw();
  } catch (error) {
    toast(error.message, "error");
  }
}

function draw() {
  const { x, log, band, smooth } = tools.settings;
  const name = { step: words.wordStep, time: words.wordTime, relative: words.wordRelative }[x];
  const series = runs.map((run) => ({ name: titleOf(run), points: placed(points.get(run.uuid) ?? [], x, run.start) })).filter((one) => one.points.length);
  const spec = { x: { name, type: x === "time" ? "time" : "value" }, log, band: band && series.length <= 12, smooth, window: part, series };
  if (chart) chart.update(spec);
  else chart = envelopeChart(byId("compare-curves"), spec, zoom);
}

function zoom(wanted) {
  if (!wanted && !part) return;
  part = wanted;
  whole.hidden = !part;
  // Runs start at different times, so a part of relative time is cut from what is there.
  if (tools.settings.x === "relative") draw();
  else loadCurves();
}

const tools = new ChartTools(find("chart-tools"), ({ x }) => {
  if (x === lastX) { draw(); return; }
  lastX = x;
  part = null;
  whole.hidden = true;
  loadCurves();
});
lastX = tools.settings.x;
metric.addEventListener("change", () => { keep("metric", metric.value); zoom(null); loadCurves(); });
whole.addEventListener("click", () => zoom(null));
if (first) loadCurves();
else metric.hidden = true;

// Parallel coordinates ------------------------------------------------------------------------
const axes = find("axes");
const colour = find("colour");
const usual = [...params.slice(0, MOST_AXES - 3), ...metrics.filter(({ label }) => !label.startsWith("system/")).slice(0, 3)].map(({ id }) => id);
const wantedAxes = asked.has("axes") ? JSON.parse(asked.get("axes")) : usual;
for (const { id, label } of columns) {
  const box = h("input", { type: "checkbox", class: "check", value: id });
  box.checked = wantedAxes.includes(id);
  axes.append(h("label", {}, box, h("bdi", {}, label)));
}
fill(colour, [{ id: "", label: "—" }, ...numbers], asked.get("colour") ?? first?.id);
let parallel = null;

function drawParallel() {
  const chosen = [...axes.querySelectorAll("input:checked")].map(({ value }) => value).slice(0, MOST_AXES);
  const shown = columns.filter(({ id }) => chosen.includes(id));
  const spec = { columns: shown, names: runs.map(titleOf), colourBy: shown.findIndex(({ id }) => id === colour.value) };
  if (parallel) parallel.update(spec);
  else parallel = parallelChart(byId("compare-parallel"), spec);
}
axes.addEventListener("change", () => { keep("axes", JSON.stringify([...axes.querySelectorAll("input:checked")].map(({ value }) => value))); drawParallel(); });
colour.addEventListener("change", () => { keep("colour", colour.value); drawParallel(); });
if (columns.length) drawParallel();

// Scatter -------------------------------------------------------------------------------------
const [across, up] = [find("scatter-x"), find("scatter-y")];
fill(across, numbers, asked.get("sx") ?? numbers.find(({ kind }) => kind === "params")?.id ?? numbers[0]?.id);
fill(up, numbers, asked.get("sy") ?? numbers.find(({ better }) => better)?.id ?? numbers.find(({ kind }) => kind === "metrics")?.id ?? numbers[1]?.id);
let cloud = null;
function drawScatter() {
  const [x, y] = [across, up].map(({ value }) => columns.find(({ id }) => id === value));
  if (!x || !y) return;
  const series = runs.map((run, row) => ({ name: titleOf(run), data: [[x.values[row], y.values[row]]] })).filter(({ data: [[a, b]] }) => a !== null && b !== null);
  const spec = { x: { name: x.label }, y: { name: y.label }, series };
  if (cloud) cloud.update(spec);
  else cloud = scatter(byId("compare-scatter"), spec);
}
across.addEventListener("change", () => { keep("sx", across.value); drawScatter(); });
up.addEventListener("change", () => { keep("sy", up.value); drawScatter(); });
if (numbers.length > 1) drawScatter();

document.querySelector("[data-copy-address]").addEventListener("click", async () => {
  try { await navigator.clipboard.writeText(location.href); toast(t("copied"), "success"); } catch { toast(t("copy-failed"), "warning"); }
});
