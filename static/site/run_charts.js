// Charts of runs: curves with an envelope that hides no spike, and parallel coordinates.
import { axis, base, Chart, shorten, tip } from "./charts.js";
import { formatNumber } from "./ui.js";

const number = (value) => typeof value === "number";
const shown = (value, log) => (number(value) && (!log || value > 0) ? value : null);

/** Exponential smoothing that starts without a bias; gaps stay gaps. */
export function smoothed(values, weight) {
  if (!weight) return values;
  let sum = 0;
  let scale = 0;
  return values.map((value) => {
    if (!number(value)) return null;
    sum = sum * weight + (1 - weight) * value;
    scale = scale * weight + (1 - weight);
    return sum / scale;
  });
}

/** Four corners between two neighbouring buckets, from their least to their greatest values. */
function bandSeries(name, points, colour, log) {
  const corners = points.map(([x, low, high]) => [x, shown(low, log), shown(high, log)]);
  return {
    name, type: "custom", silent: true, z: 1, data: corners, encode: { x: 0, y: [1, 2] }, clip: true, tooltip: { show: false }, itemStyle: { color: colour },
    renderItem: ({ dataIndex }, api) => {
      const here = corners[dataIndex];
      const before = corners[dataIndex - 1] ?? here;
      if (![here[1], here[2], before[1], before[2]].every(number)) return null;
      const line = [[before[0], before[2]], [here[0], here[2]], [here[0], here[1]], [before[0], before[1]]].map((pair) => api.coord(pair));
      // A lone spike keeps at least one pixel of width.
      if (Math.abs(line[1][0] - line[0][0]) < 1) { line[0][0] -= 0.5; line[3][0] -= 0.5; line[1][0] += 0.5; line[2][0] += 0.5; }
      return { type: "polygon", shape: { points: line }, style: { fill: colour, opacity: 0.28, stroke: colour, lineWidth: 0.6 } };
    },
  };
}

const timeText = (ms) => new Date(ms).toLocaleString(document.documentElement.lang || undefined);
const xText = (spec, x) => (spec.x.type === "time" ? timeText(x) : formatNumber(x, 9));

function curveTip(spec) {
  return (items) => {
    const list = Array.isArray(items) ? items : [items];
    const lines = list.filter(({ seriesType, seriesId }) => seriesType === "line" && !seriesId.startsWith("raw"));
    if (!lines.length) return "";
    const rows = lines.slice(0, 25).map(({ seriesName, seriesIndex, dataIndex, value }) => {
      const point = spec.series[spec.lineAt.get(seriesIndex)]?.points[dataIndex];
      const range = point && point[4] > 1 && point[1] !== point[2] ? ` (${formatNumber(point[1])} – ${formatNumber(point[2])})` : "";
      return [shorten(seriesName, 32), `${formatNumber(value[1], 5)}${range}`];
    });
    return tip(`${spec.x.name}: ${xText(spec, lines[0].value[0])}`, rows);
  };
}

const envelopeKind = {
  table: ({ series, x }) => ({
    columns: ["", x.name, "min", "max", "last", "n"],
    rows: series.flatMap(({ name, points }) => points.map((point) => [name, xTextOf(x, point[0]), ...point.slice(1)])),
  }),
  option(spec, colours) {
    const log = Boolean(spec.log);
    const drawn = [];
    spec.lineAt = new Map();
    spec.series.forEach(({ name, points, dashed }, index) => {
      const colour = colours.palette[index % colours.palette.length];
      if (spec.band !== false && points.some(([, low, high]) => low !== high)) drawn.push(bandSeries(name, points, colour, log));
      const values = points.map((point) => shown(point[3], log));
      const soft = smoothed(values, spec.smooth ?? 0);
      const line = (data, extra) => ({
        name, type: "line", data: points.map(([x], at) => [x, data[at]]), showSymbol: points.length === 1, symbolSize: 6, connectNulls: false, emphasis: { disabled: true },
        itemStyle: { color: colour }, lineStyle: { width: 1.75, color: colour, type: dashed ? "dashed" : "solid" }, ...extra,
      });
      if (spec.smooth) drawn.push(line(values, { id: `raw-${index}`, silent: true, tooltip: { show: false }, lineStyle: { width: 1, color: colour, opacity: 0.3 } }));
      spec.lineAt.set(drawn.length, index);
      drawn.push(line(soft, { id: `line-${index}`, z: 3 }));
    });
    const [from, to] = spec.window ?? [];
    const across = axis(colours, { name: spec.x.name, min: from, max: to }, { splitLine: { show: false }, nameGap: 24 });
    if (spec.x.type === "time") Object.assign(across, { type: "time", axisLabel: { ...across.axisLabel, formatter: undefined } });
    return base(colours, {
      animation: false,
      legend: { ...base(colours).legend, show: spec.series.length > 1, data: spec.series.map(({ name }) => name), formatter: (name) => shorten(name, 28) },
      grid: { ...base(colours).grid, top: spec.series.length > 1 ? 34 : 10 },
      xAxis: across,
      yAxis: axis(colours, { name: "", log }, { nameGap: 46, scale: true }),
      tooltip: { ...base(colours).tooltip, trigger: "axis", formatter: curveTip(spec) },
      toolbox: { show: true, itemSize: 0, feature: { dataZoom: { yAxisIndex: false, brushStyle: { color: colours.gold, opacity: 0.15 } } }, left: -99 },
      series: drawn,
    });
  },
  // Dragging over the curve chooses a part of it.
  drawn: (instance) => instance.dispatchAction({ type: "takeGlobalCursor", key: "dataZoomSelect", dataZoomSelectActive: true }),
};
const xTextOf = (x, value) => (x.type === "time" ? timeText(value) : value);

/** Curves {name, points: [[x, least, greatest, last, n], …]}; calls onWindow([from, to]) after a part was chosen, onWindow(null) after a double click. */
export function envelopeChart(target, spec, onWindow) {
  const chart = new Chart(target, envelopeKind, spec);
  if (onWindow) {
    chart.on("datazoom", ({ batch, startValue, endValue }) => {
      const from = batch?.[0]?.startValue ?? startValue;
      const to = batch?.[0]?.endValue ?? endValue;
      if (number(from) && number(to) && to > from) onWindow([from, to]);
    });
    chart.element.addEventListener("dblclick", () => onWindow(null));
  }
  return chart;
}

const parallelKind = {
  table: ({ columns, names }) => ({ columns: ["", ...columns.map(({ label }) => label)], rows: names.map((name, row) => [name, ...columns.map(({ values }) => values[row])]) }),
  option({ columns, names, colourBy }, colours) {
    const ramp = columns[colourBy];
    const known = (ramp?.number ? ramp.values : []).filter(number);
    const lines = names.map((name, row) => ({ name, value: columns.map(({ values }) => values[row] ?? "-") }));
    return base(colours, {
      legend: { show: false },
      parallel: { left: 48, right: 64, top: 34, bottom: 18, parallelAxisDefault: { nameLocation: "end", nameGap: 14, nameTextStyle: { color: colours.soft, fontSize: 11 }, axisLine: { lineStyle: { color: colours.soft } }, axisTick: { show: false }, axisLabel: { color: colours.soft, fontSize: 10 } } },
      parallelAxis: columns.map(({ label, number: isNumber, values }, dim) => ({
        dim, name: shorten(label, 18), inverse: false, realtime: true,
        ...(isNumber ? { type: "value", scale: true, axisLabel: { color: colours.soft, fontSize: 10, formatter: (value) => formatNumber(value, 4) } } : { type: "category", data: [...new Set(values.map((value) => value ?? "-"))], axisLabel: { color: colours.soft, fontSize: 10, formatter: (value) => shorten(value, 12) } }),
      })),
      visualMap: known.length > 1 ? { show: false, dimension: colourBy, min: Math.min(...known), max: Math.max(...known), inRange: { color: [colours.negative, colours.gold, colours.positive] } } : undefined,
      tooltip: { ...base(colours).tooltip, formatter: ({ name, value }) => tip(name, columns.map(({ label }, dim) => [label, number(value[dim]) ? formatNumber(value[dim], 5) : value[dim]])) },
      series: [{ type: "parallel", smooth: 0.15, lineStyle: { width: 1.6, opacity: 0.7 }, emphasis: { lineStyle: { width: 3, opacity: 1 } }, data: lines }],
    });
  },
};

/** Columns {label, number, values} over runs; `colourBy` is the index of the column that colours the lines. */
export const parallelChart = (target, spec) => new Chart(target, parallelKind, spec);
