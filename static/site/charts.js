// Charts: a thin layer over the vendored ECharts (theme, resize, reduced motion, table view, tooltips made of text nodes).
import { byId, formatNumber, h, t } from "./ui.js";

const TABLE_ROWS = 500;
const PALETTE = ["--chart-1", "--chart-2", "--chart-3", "--chart-4", "--chart-5", "--chart-6", "--chart-7", "--chart-8"];
const charts = new Set();
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const isRtl = () => document.documentElement.dir === "rtl";
let library = null;
const loadLibrary = () => (library ??= import("../vendor/echarts/echarts.esm.min.js"));

/** Colours of the current theme as rgb() strings; light-dark() and oklch are resolved by the browser. */
function readColours() {
  const probe = h("span", { hidden: true });
  document.body.append(probe);
  const context = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true });
  const read = (name) => {
    probe.style.color = `var(${name})`;
    context.clearRect(0, 0, 1, 1);
    context.fillStyle = getComputedStyle(probe).color;
    context.fillRect(0, 0, 1, 1);
    const [red, green, blue] = context.getImageData(0, 0, 1, 1).data;
    return `rgb(${red}, ${green}, ${blue})`;
  };
  const colours = {
    ink: read("--ink"), soft: read("--ink-soft"), line: read("--line"), surface: read("--surface"), low: read("--chart-low"), high: read("--chart-high"),
    negative: read("--chart-negative"), positive: read("--chart-positive"), gold: read("--gold-bright"), strong: read("--ink-strong"), palette: PALETTE.map(read),
    font: getComputedStyle(document.body).fontFamily,
  };
  probe.remove();
  return colours;
}

/** Tooltip as DOM nodes: a head line and rows of label and value. */
function tip(head, rows) {
  return h("div", { class: "chart-tip" }, head === null ? null : h("strong", {}, String(head)), ...rows.map(([label, value]) => h("div", {}, h("span", {}, String(label)), h("span", {}, String(value)))));
}

const axisName = ({ name = "", unit = "" } = {}) => (unit ? `${name} [${unit}]` : name);
const shorten = (text, size = 22) => (String(text).length > size ? `${String(text).slice(0, size - 1)}…` : String(text));

function axis(colours, spec = {}, extra = {}) {
  const { min, max, log } = spec;
  return {
    type: log ? "log" : "value", name: axisName(spec), nameLocation: "middle", nameGap: 28, min: min ?? null, max: max ?? null, scale: min === undefined,
    nameTextStyle: { color: colours.soft, fontSize: 12 }, axisLine: { lineStyle: { color: colours.line } }, axisTick: { show: false },
    axisLabel: { color: colours.soft, fontSize: 11, hideOverlap: true, formatter: (value) => formatNumber(value, 5) }, splitLine: { lineStyle: { color: colours.line, opacity: 0.7 } }, ...extra,
  };
}

const categoryAxis = (colours, names, spec = {}, extra = {}) => ({
  ...axis(colours, spec), type: "category", data: names, scale: undefined, min: null, max: null, splitLine: { show: false },
  axisLabel: { color: colours.soft, fontSize: 11, formatter: (name) => shorten(name, 20), ...extra }, nameGap: extra.nameGap ?? 28,
});

function base(colours, extra = {}) {
  return {
    animation: !calm.matches, animationDuration: 300, animationDurationUpdate: 150, color: colours.palette, backgroundColor: "transparent",
    textStyle: { fontFamily: colours.font, color: colours.ink }, aria: { enabled: false },
    grid: { left: 4, right: 16, top: 34, bottom: 4, outerBoundsMode: "same", outerBoundsContain: "all" },
    legend: { type: "scroll", top: 0, [isRtl() ? "right" : "left"]: 0, icon: "roundRect", itemWidth: 12, itemHeight: 4, padding: [2, 5], textStyle: { color: colours.soft, fontSize: 12, lineHeight: 18 }, inactiveColor: colours.line, pageTextStyle: { color: colours.soft }, pageIconColor: colours.soft },
    tooltip: { trigger: "item", confine: true, transitionDuration: 0, backgroundColor: colours.surface, borderColor: colours.line, padding: [6, 10], textStyle: { color: colours.ink }, axisPointer: { lineStyle: { color: colours.soft }, crossStyle: { color: colours.soft } } },
    ...extra,
  };
}

/** A chart in an element; `kind` is {option(spec, colours), table(spec), drawn(instance, spec)?}. */
export class Chart {
  #kind; #spec; #instance = null; #handlers = []; #frame = 0; #table = null; #empty = null; #tools;

  constructor(target, kind, spec) {
    this.element = typeof target === "string" ? byId(target) : target;
    if (!this.element) throw new Error(`no element for the chart: ${target}`);
    this.#kind = kind;
    this.#spec = spec;
    this.#tools = this.#addTools();
    charts.add(this);
    new ResizeObserver(() => this.#instance?.resize()).observe(this.element);
    loadLibrary().then(({ init }) => {
      if (!charts.has(this)) return;
      this.#instance = init(this.element, null, { renderer: "canvas" });
      for (const [name, fn] of this.#handlers) this.#instance.on(name, fn);
      this.draw();
    });
  }

  get spec() { return this.#spec; }

  update(partial) { Object.assign(this.#spec, partial); this.#soon(); return this; }

  /** Add points to a series of a line chart; a step that is already there is replaced. */
  append(name, points) {
    let series = this.#spec.series.find((one) => one.name === name);
    if (!series) this.#spec.series.push((series = { name, data: [] }));
    for (const point of points) {
      const last = series.data.at(-1);
      if (!last || point[0] > last[0]) series.data.push(point);
      else {
        const at = series.data.findIndex(([x]) => x >= point[0]);
        series.data.splice(at, series.data[at][0] === point[0] ? 1 : 0, point);
      }
    }
    this.#soon();
    return this;
  }

  on(name, fn) { this.#handlers.push([name, fn]); this.#instance?.on(name, fn); return this; }

  dispose() { charts.delete(this); this.#instance?.dispose(); this.#instance = null; }

  /** The data as {columns, rows}. */
  table() { return this.#kind.table(this.#spec); }

  draw() {
    if (!this.#instance) return;
    const hasData = this.table().rows.length > 0;
    this.#empty?.remove();
    this.#empty = null;
    if (!hasData) { this.#instance.clear(); this.element.append((this.#empty = h("div", { class: "chart-empty" }, t("chart-empty")))); }
    else {
      this.#instance.setOption(this.#kind.option(this.#spec, readColours()), { notMerge: true });
      this.#kind.drawn?.(this.#instance, this.#spec);
    }
    this.#tools.hidden = !hasData;
    if (this.#table) this.#fillTable();
  }

  #soon() { // live charts get many points a second; the eye gets one picture per frame
    if (!this.#frame) this.#frame = requestAnimationFrame(() => { this.#frame = 0; this.draw(); });
  }

  #addTools() {
    const asTable = h("button", { type: "button", "aria-pressed": "false" }, t("chart-as-table"));
    const save = h("button", { type: "button" }, t("chart-save"));
    asTable.addEventListener("click", () => {
      if (this.#table) { this.#table.remove(); this.#table = null; } else this.element.after((this.#table = h("div", { class: "chart-table table-wrap", tabindex: "0", role: "region", "aria-label": this.element.getAttribute("aria-label") ?? "" })));
      this.element.hidden = this.#table !== null;
      asTable.textContent = t(this.#table ? "chart-as-picture" : "chart-as-table");
      asTable.setAttribute("aria-pressed", String(this.#table !== null));
      if (this.#table) this.#fillTable();
    });
    save.addEventListener("click", () => h("a", { href: this.#instance.getDataURL({ pixelRatio: 2, backgroundColor: readColours().surface }), download: `${this.element.id || "chart"}.png` }).click());
    const tools = h("div", { class: "chart-tools", hidden: true }, asTable, save);
    this.element.after(tools);
    return tools;
  }

  #fillTable() {
    const { columns, rows } = this.table();
    const cell = (value) => (typeof value === "number" ? h("td", { class: "num" }, formatNumber(value, 6)) : h("td", {}, value === null || value === undefined ? "—" : String(value)));
    const body = rows.slice(0, TABLE_ROWS).map((row) => h("tr", {}, ...row.map(cell)));
    const head = h("tr", {}, ...columns.map((name) => h("th", { scope: "col" }, String(name))));
    this.#table.replaceChildren(h("table", { class: "table-data table-dense" }, h("thead", {}, head), h("tbody", {}, ...body)), ...(rows.length > TABLE_ROWS ? [h("p", { class: "chart-note" }, t("chart-truncated"))] : []));
  }
}

const redrawAll = () => { for (const chart of charts) chart.draw(); };
document.addEventListener("assay:theme", redrawAll);
addEventListener("beforeprint", redrawAll);

// Kinds ----------------------------------------------------------------------------------------
const xyTable = ({ x, y, series }) => ({
  columns: ["", axisName(x) || "x", axisName(y) || "y"],
  rows: series.flatMap(({ name, data }) => data.map(([a, b]) => [name, a, b])),
});

function seriesTip(spec) {
  return (items) => {
    const list = Array.isArray(items) ? items : [items];
    return tip(`${axisName(spec.x) || "x"}: ${formatNumber(list[0].value[0], 6)}`, list.map((item) => [item.seriesName, formatNumber(item.value[1], 5)]));
  };
}

const lineKind = {
  table: xyTable,
  option: (spec, colours) => base(colours, {
    xAxis: axis(colours, spec.x, { splitLine: { show: false } }),
    yAxis: axis(colours, spec.y, { nameGap: 46 }),
    tooltip: { ...base(colours).tooltip, trigger: "axis", formatter: seriesTip(spec) },
    dataZoom: spec.zoom ? [{ type: "inside", zoomOnMouseWheel: "ctrl" }] : [],
    series: spec.series.map(({ name, data, dashed, area, step }) => ({
      name, type: "line", data, showSymbol: data.length < 2, symbolSize: 5, sampling: "lttb", step: step ? "end" : false, connectNulls: false, emphasis: { disabled: true },
      lineStyle: { width: 2, type: dashed ? "dashed" : "solid" }, areaStyle: area ? { opacity: 0.12 } : undefined,
    })),
  }),
};

const DIAGONALS = { up: [[0, 0], [1, 1]], down: [[0, 1], [1, 0]] };
const curvesKind = {
  table: xyTable,
  option(spec, colours) {
    const option = lineKind.option(spec, colours);
    option.tooltip.trigger = "item";
    for (const one of option.series) Object.assign(one, { sampling: undefined, symbol: "circle", showSymbol: Boolean(spec.points), symbolSize: spec.points ? 7 : 4, triggerLineEvent: true });
    const guide = DIAGONALS[spec.diagonal];
    if (guide) option.series.push({ type: "line", data: guide, silent: true, showSymbol: false, lineStyle: { width: 1, type: "dotted", color: colours.soft }, tooltip: { show: false } });
    if (spec.marker) option.series.push({ type: "scatter", data: [spec.marker], symbolSize: 12, z: 5, itemStyle: { color: colours.gold, borderColor: colours.strong, borderWidth: 2 }, tooltip: { formatter: ({ value }) => tip(null, [[axisName(spec.x), formatNumber(value[0])], [axisName(spec.y), formatNumber(value[1])]]) } });
    option.tooltip.trigger = spec.marker || spec.points ? "item" : "axis";
    return option;
  },
};

const scatterKind = {
  table: xyTable,
  option(spec, colours) {
    const points = spec.series.flatMap(({ data }) => data);
    const ends = points.flat().filter((value) => value !== null);
    const span = ends.length ? [ends.reduce((a, b) => Math.min(a, b)), ends.reduce((a, b) => Math.max(a, b))] : [0, 1];
    const guide = spec.diagonal ? { data: [[{ coord: [span[0], span[0]] }, { coord: [span[1], span[1]] }]] } : spec.zero ? { data: [{ yAxis: 0 }] } : null;
    return base(colours, {
      xAxis: axis(colours, spec.x, { splitLine: { show: false } }),
      yAxis: axis(colours, spec.y, { nameGap: 46 }),
      tooltip: { ...base(colours).tooltip, formatter: ({ value, seriesName }) => tip(seriesName, [[axisName(spec.x), formatNumber(value[0], 5)], [axisName(spec.y), formatNumber(value[1], 5)]]) },
      series: spec.series.map(({ name, data }, index) => ({
        name, type: "scatter", data, symbolSize: points.length > 2000 ? 3 : points.length > 200 ? 6 : 9, itemStyle: { opacity: points.length > 500 ? 0.45 : 0.75 }, large: points.length > 5000,
        markLine: guide && index === 0 ? { ...guide, silent: true, symbol: "none", label: { show: false }, lineStyle: { color: colours.soft, type: "dotted" } } : undefined,
      })),
    });
  },
};

const barKind = {
  table: ({ items, x }) => {
    const spread = items.some(({ low }) => low !== undefined && low !== null);
    return { columns: ["", axisName(x) || "", ...(spread ? ["low", "high"] : [])], rows: items.map(({ name, value, low, high }) => [name, value, ...(spread ? [low, high] : [])]) };
  },
  option(spec, colours) {
    const items = spec.items.slice(0, spec.limit ?? 50);
    const across = Boolean(spec.horizontal);
    const mirrored = across && isRtl();
    const names = categoryAxis(colours, items.map(({ name }) => name), {}, across ? { width: 150, overflow: "truncate", nameGap: 8 } : { hideOverlap: true });
    const values = axis(colours, spec.x, { scale: false, inverse: mirrored, nameGap: across ? 28 : 46 });
    const bars = {
      type: "bar", barMaxWidth: 26, barCategoryGap: "28%", data: items.map(({ value }) => ({ value, itemStyle: { color: spec.signed ? (value < 0 ? colours.negative : colours.positive) : colours.palette[spec.colour ?? 0], borderRadius: 2 } })),
    };
    const spread = items.map(({ low, high }, index) => [index, low, high]).filter(([, low, high]) => Number.isFinite(low) && Number.isFinite(high));
    const whiskers = { type: "custom", silent: true, z: 4, data: spread, encode: across ? { y: 0, x: [1, 2] } : { x: 0, y: [1, 2] }, tooltip: { show: false }, renderItem: (_, api) => whisker(api, across, colours.strong) };
    return base(colours, {
      legend: { show: false },
      grid: { ...base(colours).grid, top: 6 },
      xAxis: across ? values : names,
      yAxis: across ? { ...names, inverse: true, position: mirrored ? "right" : "left" } : values,
      tooltip: { ...base(colours).tooltip, formatter: ({ dataIndex }) => { const { name, value, low, high } = items[dataIndex]; return tip(name, [[axisName(spec.x), formatNumber(value, 5)], ...(Number.isFinite(low) ? [["", `${formatNumber(low)} – ${formatNumber(high)}`]] : [])]); } },
      series: spread.length ? [bars, whiskers] : [bars],
    });
  },
};

function whisker(api, across, stroke) {
  const at = (value) => api.coord(across ? [value, api.value(0)] : [api.value(0), value]);
  const [from, to] = [at(api.value(1)), at(api.value(2))];
  const cap = across ? [0, 3] : [3, 0];
  const line = (a, b) => ({ type: "line", shape: { x1: a[0], y1: a[1], x2: b[0], y2: b[1] }, style: { stroke, lineWidth: 1.2 } });
  const ends = [from, to].map(([x, y]) => line([x - cap[0], y - cap[1]], [x + cap[0], y + cap[1]]));
  return { type: "group", children: [line(from, to), ...ends] };
}

const histogramKind = {
  table: ({ edges, counts }) => ({ columns: ["≥", "<", t("chart-rows")], rows: counts.map((count, index) => [edges[index], edges[index + 1], count]) }),
  option(spec, colours) {
    const { edges, counts } = spec;
    return base(colours, {
      legend: { show: false },
      grid: { ...base(colours).grid, top: 8 },
      xAxis: axis(colours, { ...spec.x, min: edges[0], max: edges.at(-1) }, { splitLine: { show: false } }),
      yAxis: axis(colours, { name: "" }, { scale: false, minInterval: 1, splitNumber: 3 }),
      tooltip: { ...base(colours).tooltip, formatter: ({ dataIndex }) => tip(`${formatNumber(edges[dataIndex])} – ${formatNumber(edges[dataIndex + 1])}`, [[t("chart-rows"), formatNumber(counts[dataIndex], 9)]]) },
      series: [{
        type: "custom", data: counts.map((count, index) => [edges[index], edges[index + 1], count]), encode: { x: [0, 1], y: 2 }, clip: true,
        renderItem: (_, api) => {
          const [left, top] = api.coord([api.value(0), api.value(2)]);
          const [right, bottom] = api.coord([api.value(1), 0]);
          return { type: "rect", shape: { x: left + 0.5, y: top, width: Math.max(1, right - left - 1), height: bottom - top }, style: { fill: colours.palette[0] } };
        },
      }],
    });
  },
};

function gridOption(colours, { columns, rows, cells, min, max, ramp, tooltip, label, xName, yName }) {
  return base(colours, {
    legend: { show: false },
    grid: { ...base(colours).grid, top: 6 },
    xAxis: categoryAxis(colours, columns, { name: xName }, { rotate: columns.join("").length > 48 ? 40 : 0, interval: columns.length > 40 ? "auto" : 0, nameGap: 26 }),
    yAxis: { ...categoryAxis(colours, rows, { name: yName }, { interval: rows.length > 40 ? "auto" : 0 }), inverse: true, nameLocation: "middle", nameGap: 14, nameMoveOverlap: true },
    visualMap: { show: false, min, max, inRange: { color: ramp } },
    tooltip: { ...base(colours).tooltip, formatter: tooltip },
    series: [{ type: "heatmap", data: cells, label, itemStyle: { borderColor: colours.surface, borderWidth: columns.length > 30 ? 0 : 1.5, borderRadius: 2 }, emphasis: { itemStyle: { borderColor: colours.strong } } }],
  });
}

const heatmapKind = {
  table: ({ columns, rows = columns, matrix }) => ({ columns: ["", ...columns], rows: rows.map((name, index) => [name, ...matrix[index]]) }),
  option({ columns, rows = columns, matrix, min = 0, max = 1, diverging = false, labels = columns.length <= 12 }, colours) {
    const cells = matrix.flatMap((line, y) => line.map((value, x) => [x, y, value ?? "-"]));
    return gridOption(colours, {
      columns, rows, cells, min, max, ramp: diverging ? [colours.negative, colours.low, colours.positive] : [colours.low, colours.high],
      label: { show: labels, fontSize: 10, color: colours.strong, formatter: ({ value }) => (value[2] === "-" ? "" : formatNumber(value[2], 2)) },
      tooltip: ({ value }) => tip(`${rows[value[1]]} × ${columns[value[0]]}`, [["", value[2] === "-" ? "—" : formatNumber(value[2], 4)]]),
    });
  },
};

const confusionKind = {
  table: ({ labels, counts }) => ({ columns: [`${t("chart-actual")} ↓ ${t("chart-predicted")} →`, ...labels], rows: labels.map((label, index) => [label, ...counts[index]]) }),
  option({ labels, counts }, colours) {
    const totals = counts.map((row) => Math.max(1, row.reduce((a, b) => a + b, 0)));
    const share = (x, y) => counts[y][x] / totals[y];
    const cells = counts.flatMap((row, y) => row.map((_, x) => [x, y, share(x, y)]));
    const percent = (value) => `${formatNumber(100 * value, 3)} %`;
    return gridOption(colours, {
      columns: labels.map(String), rows: labels.map(String), cells, min: 0, max: 1, ramp: [colours.low, colours.high], xName: t("chart-predicted"), yName: t("chart-actual"),
      label: {
        show: labels.length <= 12, lineHeight: 15, formatter: ({ value }) => `{${value[2] > 0.5 ? "on" : "off"}|${formatNumber(counts[value[1]][value[0]], 9)}}\n{${value[2] > 0.5 ? "on" : "off"}s|${percent(value[2])}}`,
        rich: { on: { color: colours.surface, fontSize: 13, fontWeight: 600 }, off: { color: colours.ink, fontSize: 13, fontWeight: 600 }, ons: { color: colours.surface, fontSize: 10 }, offs: { color: colours.soft, fontSize: 10 } },
      },
      tooltip: ({ value }) => tip(null, [[t("chart-actual"), labels[value[1]]], [t("chart-predicted"), labels[value[0]]], [t("chart-rows"), `${formatNumber(counts[value[1]][value[0]], 9)} (${percent(value[2])})`]]),
    });
  },
};

export { axis, base, shorten, tip };

export const lineChart = (target, spec) => new Chart(target, lineKind, spec);
export const barChart = (target, spec) => new Chart(target, barKind, spec);
export const histogram = (target, spec) => new Chart(target, histogramKind, spec);
export const heatmap = (target, spec) => new Chart(target, heatmapKind, spec);
export const scatter = (target, spec) => new Chart(target, scatterKind, spec);
export const curves = (target, spec) => new Chart(target, curvesKind, spec);
export const calibration = (target, spec) => new Chart(target, curvesKind, { diagonal: "up", points: true, ...spec, x: { min: 0, max: 1, ...spec.x }, y: { min: 0, max: 1, ...spec.y } });

export function confusion(target, spec) {
  const chart = new Chart(target, confusionKind, spec);
  if (spec.onCell) chart.on("click", ({ value: [x, y] }) => spec.onCell({ actual: spec.labels[y], predicted: spec.labels[x], count: spec.counts[y][x] }));
  return chart;
}
