// Draws the style guide's charts from fixed formulas and wires its demonstration buttons.
import { barChart, calibration, confusion, curves, heatmap, histogram, lineChart, scatter } from "../site/charts.js";
import { toast } from "../site/ui.js";

const range = (count) => Array.from({ length: count }, (_, index) => index);
const wave = (index) => Math.sin(index * 12.9898) * 0.5 + Math.sin(index * 4.137) * 0.5;

const loss = (floor, wobble) => range(60).map((step) => [step, floor + 0.8 * Math.exp(-step / 12) + wobble * wave(step)]);
lineChart("demo-line", {
  x: { name: "Iteration" }, y: { name: "Log loss" }, zoom: true,
  series: [{ name: "train", data: loss(0.08, 0.005), area: true }, { name: "validation", data: loss(0.19, 0.02), dashed: true }],
});
curves("demo-roc", {
  x: { name: "False positive rate", min: 0, max: 1 }, y: { name: "True positive rate", min: 0, max: 1 }, diagonal: "up", marker: [0.12, 0.89],
  series: [["CONFIRMED (AUC 0.98)", 9], ["CANDIDATE (AUC 0.91)", 4]].map(([name, power]) => ({ name, data: range(51).map((i) => [i / 50, 1 - (1 - i / 50) ** power]) })),
});
const names = ["koi_fpflag_nt", "koi_fpflag_ss", "koi_fpflag_co", "koi_depth", "koi_prad", "koi_period", "koi_model_snr", "koi_teq with a very long name indeed", "koi_steff", "koi_insol"];
barChart("demo-bars", { horizontal: true, x: { name: "Drop in accuracy" }, items: names.map((name, i) => ({ name, value: 0.31 / (1 + i), low: 0.27 / (1 + i), high: 0.36 / (1 + i) })) });
barChart("demo-signed", { horizontal: true, signed: true, x: { name: "Contribution" }, items: names.slice(0, 7).map((name, i) => ({ name, value: (i % 3 === 1 ? -1 : 1) * (0.9 / (1 + i)) })) });
confusion("demo-confusion", { labels: ["CANDIDATE", "CONFIRMED", "FALSE POSITIVE"], counts: [[381, 42, 27], [36, 640, 11], [19, 6, 1248]], onCell: ({ actual, predicted, count }) => toast(`${actual} → ${predicted}: ${count}`) });
const columns = names.slice(0, 8);
heatmap("demo-heatmap", { columns, min: -1, max: 1, diverging: true, matrix: columns.map((_, y) => columns.map((__, x) => (x === y ? 1 : x === 3 && y === 5 ? null : wave(x * y + x + y)))) });
histogram("demo-histogram", { x: { unit: "ppm" }, edges: range(31).map((i) => i * 100), counts: range(30).map((i) => Math.round(900 * Math.exp(-(((i - 9) / 6) ** 2)) + 20)) });
scatter("demo-scatter", { x: { name: "Predicted" }, y: { name: "Residual" }, zero: true, series: [{ name: "test rows", data: range(400).map((i) => [i / 40, wave(i) * (1 + i / 200)]) }] });
calibration("demo-calibration", { x: { name: "Predicted probability" }, y: { name: "Observed share" }, series: [{ name: "CONFIRMED", data: range(10).map((i) => [(i + 0.5) / 10, Math.min(1, Math.max(0, (i + 0.5) / 10 + 0.06 * wave(i)))]) }] });
lineChart("demo-empty", { x: {}, y: {}, series: [{ name: "loss", data: [] }] });

document.addEventListener("click", ({ target }) => target.closest?.("[data-demo=toast]") && toast("Dataset “koi” was uploaded.", "success"));
