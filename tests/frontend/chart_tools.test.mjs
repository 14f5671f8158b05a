import assert from "node:assert/strict";
import test from "node:test";

import { bounds, placed } from "../../static/experiments/chart_tools.js";

const POINTS = [[10_000, 1, 2, 1.5, 3], [12_500, 0, 4, 4, 2]];

test("relative points begin at the run's start, in seconds", () => {
  assert.deepEqual(placed(POINTS, "relative", 9_000).map(([x]) => x), [1, 3.5]);
  assert.deepEqual(placed(POINTS, "relative", null).map(([x]) => x), [0, 2.5]);
  assert.deepEqual(placed([], "relative", null), []);
  assert.equal(placed(POINTS, "step", 9_000), POINTS);
});

test("a chosen part is asked for in whole steps or milliseconds that hold it", () => {
  assert.deepEqual(bounds([3.2, 7.9], "step", null), { first: "3", last: "8" });
  assert.deepEqual(bounds([-7.5, -3.1], "step", null), { first: "-8", last: "-3" });
  assert.deepEqual(bounds([1, 3.5], "relative", 9_000), { first: "10000", last: "12500" });
});
