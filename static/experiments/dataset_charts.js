// Pictures of a version's pages; which ones exist is decided by the page.
import { heatmap, histogram } from "../site/charts.js";
import { readJson } from "../site/ui.js";

const data = readJson("dataset-charts");

function draw(id, make) {
  if (document.getElementById(id)) make(id);
}

if (data?.histogram?.counts?.length) {
  const spec = { edges: data.histogram.edges, counts: data.histogram.counts };
  draw("column-histogram", (id) => histogram(id, { ...spec, x: { name: data.name, unit: data.unit } }));
  draw("target-histogram", (id) => histogram(id, { ...spec, x: { name: data.target } }));
}
if (data?.correlation?.matrix?.length) {
  const { columns, matrix } = data.correlation;
  draw("correlation-chart", (id) => heatmap(id, { columns, matrix, min: -1, max: 1, diverging: true }));
}
if (data?.co_missing?.matrix?.length) {
  const { columns, matrix } = data.co_missing;
  draw("missing-chart", (id) => heatmap(id, { columns, matrix, min: 0, max: 1 }));
}
for (const select of document.querySelectorAll("[data-submit-on-change]")) {
  select.addEventListener("change", () => select.form.requestSubmit());
}
