// Rows of jobs follow their project's topic; a job that is not on the page yet reloads the list.
import { live } from "../site/live.js";
import { readJson, setProgress, setStatus } from "../site/ui.js";

const place = readJson("live-place");
const ENDED = new Set(["completed", "failed", "stopped", "lost"]);
let reloadTimer = null;

function reloadSoon() {
  clearTimeout(reloadTimer);
  reloadTimer = setTimeout(() => location.reload(), 800);
}

function show({ job, status, stage, progress }) {
  const row = document.querySelector(`tr[data-job="${Number(job)}"]`);
  document.querySelectorAll(`[data-status-for="${Number(job)}"]`).forEach((pill) => {
    if (pill.dataset.status !== status) setStatus(pill, status);
  });
  if (!row) {
    if (status === "queued" || ENDED.has(status)) reloadSoon();
    return;
  }
  const before = row.dataset.state;
  row.dataset.state = status;
  setProgress(row.querySelector("progress"), progress);
  const words = row.querySelector("[data-job-stage]");
  if (words) words.textContent = stage;
  // The buttons belong to the state: fetch them anew when it changes.
  if (before !== undefined && before !== status) reloadSoon();
}

if (place) {
  live.follow(place.topic, place.after, (event) => {
    if (event.kind === "job.status") show(event.data);
  });
  live.addEventListener("gone", () => location.reload());
}
document.querySelectorAll("tr[data-job]").forEach((row) => {
  row.dataset.state = row.querySelector("[data-status]").dataset.status;
});
