// The table of runs: moves by itself, remembers what is chosen over refreshes, loads keys for its columns.
import { live } from "../site/live.js";
import { h, icon, readJson, request, setProgress, setStatus, toast } from "../site/ui.js";

const REFRESH_MS = 1500;
const CHANGES = new Set(["runs.changed", "job.status", "run.created"]);
const find = (selector) => document.querySelector(selector);

// Choosing ------------------------------------------------------------------------------------
const chosen = new Set();
const bulk = find("[data-bulk]");
const boxes = () => [...document.querySelectorAll('#runs-part input[name="run"]')];

function showChosen() {
  const onPage = boxes();
  for (const box of onPage) box.checked = chosen.has(box.value);
  const all = find("[data-check-all]");
  if (all) {
    const n = onPage.filter((box) => box.checked).length;
    all.checked = n > 0 && n === onPage.length;
    all.indeterminate = n > 0 && n < onPage.length;
  }
  bulk.hidden = chosen.size === 0;
  find("[data-bulk-count]").textContent = String(chosen.size);
  find("[data-needs-two]").disabled = chosen.size < 2 || chosen.size > 100;
  const csv = new URL(find("[data-csv]").href);
  csv.searchParams.set("runs", [...chosen].join(","));
  find("[data-bulk-csv]").href = csv.href;
}

document.addEventListener("change", ({ target }) => {
  const targets = target.matches("[data-check-all]") ? boxes() : target.matches('#runs-part input[name="run"]') ? [target] : [];
  if (!targets.length) return;
  for (const box of targets) chosen[target.checked ? "add" : "delete"](box.value);
  showChosen();
});
document.addEventListener("htmx:afterSwap", showChosen);
// Runs that a refresh moved off the page stay chosen; the form must carry them too.
bulk.addEventListener("submit", () => {
  for (const old of bulk.querySelectorAll("[data-carried]")) old.remove();
  const onPage = new Set(boxes().map((box) => box.value));
  for (const uuid of chosen) if (!onPage.has(uuid)) bulk.append(h("input", { type: "hidden", name: "run", value: uuid, "data-carried": "" }));
});
for (const box of boxes()) if (box.checked) chosen.add(box.value);
showChosen();

// Moving --------------------------------------------------------------------------------------
let timer = null;
let refreshedAt = 0;
function refreshSoon() {
  timer ??= setTimeout(() => {
    timer = null;
    refreshedAt = Date.now();
    find("#runs-part").dispatchEvent(new Event("runs:changed"));
  }, Math.max(150, REFRESH_MS - (Date.now() - refreshedAt)));
}

function onJob({ job, status, progress }) {
  const row = find(`tr[data-job="${Number(job)}"]`);
  if (!row) return refreshSoon();
  const pill = row.querySelector("[data-status]");
  if (pill && pill.dataset.status !== status) setStatus(pill, status);
  const bar = row.querySelector("progress");
  if (bar) setProgress(bar, progress);
}

const place = readJson("live-place");
live.follow(place.topic, place.after, ({ kind, data }) => {
  if (kind === "job.status") onJob(data);
  else if (CHANGES.has(kind)) refreshSoon();
});
live.addEventListener("gone", () => location.reload());

// Columns -------------------------------------------------------------------------------------
const form = find("[data-columns]");
const shown = form.querySelector("[data-shown]");
const found = form.querySelector("[data-found]");
const search = form.querySelector("[data-key-search]");
const ids = () => [...shown.children].map((item) => item.dataset.id);
const escaped = (id) => id.replaceAll("\\", "\\\\").replaceAll(",", "\\,");

function button(name, label, fn) {
  const made = h("button", { type: "button", class: "icon-button", "aria-label": label, title: label }, icon(name, "sm"));
  made.addEventListener("click", fn);
  return made;
}

function dress(item) {
  const label = item.querySelector("bdi").textContent;
  item.append(
    button("chevron-up", `↑ ${label}`, () => { item.previousElementSibling?.before(item); }),
    button("x", `× ${label}`, () => { item.remove(); tick(); }),
  );
}

function tick() {
  const now = new Set(ids());
  for (const box of form.querySelectorAll("[data-choose]")) box.checked = now.has(box.value);
}

function chooser(id, label, note) {
  const box = h("input", { type: "checkbox", class: "check", value: id, "data-choose": "" });
  box.checked = ids().includes(id);
  box.addEventListener("change", () => {
    if (!box.checked) [...shown.children].find((item) => item.dataset.id === id)?.remove();
    else if (!ids().includes(id)) {
      const item = h("li", { "data-id": id }, h("bdi", {}, label));
      dress(item);
      shown.append(item);
    }
  });
  return h("label", {}, box, h("bdi", {}, label), note ? h("small", { class: "text-secondary num" }, note) : null);
}

for (const item of shown.children) dress(item);
for (const item of form.querySelectorAll("[data-attributes] li")) item.replaceChildren(chooser(item.dataset.id, item.textContent));

let asked = null;
async function loadKeys() {
  asked?.abort();
  asked = new AbortController();
  const url = new URL(form.dataset.keysUrl, location.href);
  if (search.value) url.searchParams.set("q", search.value);
  try {
    const { columns, limit } = await request(url, { signal: asked.signal });
    found.replaceChildren(...columns.map(({ id, kind, label, n }) => h("li", { "data-id": id }, chooser(id, label, `${kind} · ${n}`))));
    form.querySelector("[data-more]").hidden = columns.length < limit;
  } catch (error) {
    if (error.name !== "AbortError") toast(error.message, "error");
  }
}
let typing = null;
search.addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(loadKeys, 200); });
search.addEventListener("keydown", (event) => { if (event.key === "Enter") event.preventDefault(); });
find("[data-column-menu]").addEventListener("toggle", ({ target }) => { if (target.open && !found.childElementCount) loadKeys(); });
form.addEventListener("submit", () => { form.querySelector("[data-chosen]").value = ids().map(escaped).join(","); });
