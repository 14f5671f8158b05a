// Counts and newest runs of experiments follow the project's topic.
import { live } from "../site/live.js";
import { readJson } from "../site/ui.js";

const REFRESH_MS = 2000;
const place = readJson("live-place");
let timer = null;
live.follow(place.topic, place.after, ({ kind }) => {
  if (kind !== "runs.changed" && kind !== "job.status") return;
  timer ??= setTimeout(() => { timer = null; document.getElementById("experiments-part").dispatchEvent(new Event("runs:changed")); }, REFRESH_MS);
});
live.addEventListener("gone", () => location.reload());
