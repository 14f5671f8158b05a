// The report's curves, importance, residuals and the threshold slider; data is the report itself.
import { barChart, calibration, curves, histogram, lineChart, scatter } from "../site/charts.js";
import { formatNumber, readJson } from "../site/ui.js";

const data = readJson("report-data");
const title = (id) => document.getElementById(id)?.getAttribute("aria-label") ?? "";
const pairs = (x, y) => x.map((value, index) => [value, y[index]]);
const has = (id) => document.getElementById(id) !== null;
const words = (name) => document.getElementById("report-words")?.dataset[name] ?? name;

/** One range with round ends for both axes, so that the diagonal means "as it was". */
function sharedRange(values) {
  const low = values.reduce((a, b) => Math.min(a, b), Infinity);
  const high = values.reduce((a, b) => Math.max(a, b), -Infinity);
  if (!(high > low)) return {};
  const step = 10 ** Math.floor(Math.log10(high - low)) / 2;
  return { min: Math.floor(low / step) * step, max: Math.ceil(high / step) * step };
}

if (has("roc-chart")) {
  curves("roc-chart", {
    label: title("roc-chart"), diagonal: "up",
    x: { name: words("fpr"), min: 0, max: 1 }, y: { name: words("tpr"), min: 0, max: 1 },
    series: data.roc_curve.classes.map(({ label, fpr, tpr }) => ({ name: label, data: pairs(fpr, tpr) })),
  });
}
if (has("pr-chart")) {
  const { recall, classes } = data.pr_curve;
  curves("pr-chart", {
    label: title("pr-chart"),
    x: { name: words("recall"), min: 0, max: 1 }, y: { name: words("precision"), min: 0, max: 1 },
    series: classes.map(({ label, precision }) => ({ name: label, data: pairs(recall, precision) })),
  });
}
if (has("calibration-chart")) {
  calibration("calibration-chart", {
    label: title("calibration-chart"), x: { name: words("claimed") }, y: { name: words("seen") },
    series: data.calibration.classes.map(({ label, predicted, observed }) => ({ name: label, data: pairs(predicted, observed) })),
  });
}
if (has("importance-chart")) {
  const items = [...data.feature_importance].sort((a, b) => b.mean - a.mean).map(({ feature, mean, std }) => ({ name: feature, value: mean, low: mean - std, high: mean + std }));
  barChart("importance-chart", { horizontal: true, limit: 20, items, x: { name: words("importance") } });
}
if (has("fit-chart")) {
  const { sample, histogram: spread, qq } = data.residuals;
  const unit = data.unit;
  const rows = words("rows");
  const same = sharedRange([...sample.actual, ...sample.predicted]);
  scatter("fit-chart", { diagonal: true, x: { name: words("actual"), unit, ...same }, y: { name: words("predicted"), unit, ...same }, series: [{ name: rows, data: pairs(sample.actual, sample.predicted) }] });
  scatter("residual-chart", { zero: true, x: { name: words("predicted"), unit }, y: { name: words("residual"), unit }, series: [{ name: rows, data: pairs(sample.predicted, sample.residual) }] });
  histogram("residual-histogram", { ...spread, x: { name: words("residual"), unit } });
  if (has("qq-chart") && qq) scatter("qq-chart", { diagonal: true, x: { name: words("normal") }, y: { name: words("observed") }, series: [{ name: rows, data: pairs(qq.theoretical, qq.observed) }] });
}

/** Figures at one of the 201 thresholds; null where the denominator is zero. */
export function figuresAt(table, place) {
  const [tp, fp, tn, fn] = [table.tp[place], table.fp[place], table.tn[place], table.fn[place]];
  const share = (part, whole) => (whole ? part / whole : null);
  return { threshold: table.threshold[place], tp, fp, tn, fn, precision: share(tp, tp + fp), recall: share(tp, tp + fn), f1: share(2 * tp, 2 * tp + fp + fn), accuracy: share(tp + tn, tp + fp + tn + fn) };
}

const slider = document.getElementById("threshold");
if (slider && data.thresholds) {
  const table = data.thresholds;
  const all = table.threshold.map((_, place) => figuresAt(table, place));
  const line = (name, key) => ({ name, data: all.map((one) => [one.threshold, one[key]]) });
  if (has("thresholds-chart")) lineChart("thresholds-chart", { x: { name: words("threshold"), min: 0, max: 1 }, y: { name: "", min: 0, max: 1 }, series: [line(words("precision"), "precision"), line(words("recall"), "recall"), line("F1", "f1")] });
  const show = () => {
    const now = all[Number(slider.value)];
    document.querySelector("[data-threshold-value]").textContent = now.threshold.toFixed(3).replace(/0$/, "");
    for (const key of ["precision", "recall", "f1", "accuracy"]) document.querySelector(`[data-threshold-${key}]`).textContent = formatNumber(now[key], 4);
    for (const key of ["tp", "fp", "tn", "fn"]) document.querySelector(`[data-threshold-${key}]`).textContent = formatNumber(now[key], 9);
  };
  slider.addEventListener("input", show);
  show();
}

document.querySelector("[data-print]")?.addEventListener("click", () => print());
