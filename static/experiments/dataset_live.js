// Follows a dataset's topic: progress while a version is read, a fresh page when it is over.
import { live } from "../site/live.js";
import { readJson, setProgress } from "../site/ui.js";

const state = readJson("dataset-live");
const stages = document.getElementById("dataset-stages") ? readJson("dataset-stages") : {};
const card = document.querySelector("[data-version-progress]");
const ENDS = new Set(["dataset.version_ready", "dataset.version_failed", "dataset.target_analysed"]);

function concerns(data) {
  return !state.onlyVersion || data.version === undefined || data.version === null || data.version === state.version;
}

function showProgress({ stage, fraction }) {
  if (!card) return;
  card.hidden = false;
  const bar = card.querySelector("progress");
  if (bar) setProgress(bar, 100 * fraction);
  const text = card.querySelector("[data-stage-text]");
  if (text) text.textContent = stages[stage] ?? stage;
}

if (state) {
  live.follow(state.topic, state.after, ({ kind, data }) => {
    if (!concerns(data)) return;
    if (kind === "dataset.version_progressed" && data.stage !== "done") showProgress(data);
    else if (card && !card.hidden && (ENDS.has(kind) || data.stage === "done")) location.reload();
  });
  live.addEventListener("gone", () => location.reload());
}
