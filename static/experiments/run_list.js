// States and progress of listed runs follow the project's topic.
import { live } from "../site/live.js";
import { readJson, setProgress, setStatus } from "../site/ui.js";

const place = readJson("live-place");
live.follow(place.topic, place.after, ({ kind, data }) => {
  if (kind !== "job.status") return;
  const row = document.querySelector(`tr[data-job="${Number(data.job)}"]`);
  if (!row) return;
  const pill = row.querySelector("[data-status]");
  if (pill && pill.dataset.status !== data.status) setStatus(pill, data.status);
  const bar = row.querySelector("progress");
  if (bar) setProgress(bar, data.progress);
});
