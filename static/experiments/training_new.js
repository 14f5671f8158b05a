// The training form: fields follow target, task, model type and template; columns by the handful.
const form = document.getElementById("training-form");
// Not form.dataset: a field of that name hides the property.
const refreshUrl = form.getAttribute("data-refresh-url");
const fields = document.getElementById("training-fields");
let turn = 0;

function showValidation() {
  const kind = form.elements.validation?.value;
  for (const part of fields.querySelectorAll("[data-for]")) {
    part.hidden = !part.dataset.for.split(" ").includes(kind);
  }
}

function countFeatures() {
  const count = fields.querySelectorAll('input[name="features"]:checked').length;
  const chip = fields.querySelector("[data-used-count]");
  if (chip) chip.textContent = String(count);
}

function unusedFeatures() {
  const boxes = [...fields.querySelectorAll('input[name="features"]')];
  return new Set(boxes.filter((box) => !box.checked).map((box) => box.value));
}

function keepUnused(unused) {
  for (const box of fields.querySelectorAll('input[name="features"]')) box.checked = !unused.has(box.value);
}

async function refresh(changed) {
  const mine = ++turn;
  const query = new URLSearchParams();
  const kept = ["dataset", "version", "target", "task", "model_type", "template", "name", "experiment", "register_as", "validation", "test_fraction", "n_folds", "group_column", "time_column", "test_dataset", "seed", "time_limit_min", "memory_limit_mib"];
  for (const name of kept) {
    const value = form.elements[name]?.value;
    if (value) query.set(name, value);
  }
  if (changed === "target") query.delete("task");
  if (changed === "target" || changed === "task") query.delete("validation");
  const unused = changed === "target" ? null : unusedFeatures();
  fields.setAttribute("aria-busy", "true");
  // htmx swaps the server's fragment in; a refusal leaves the fields as they are and shows a toast.
  try {
    await globalThis.htmx.ajax("GET", `${refreshUrl}?${query}`, { source: fields, target: fields, swap: "innerHTML" });
  } catch {
    if (mine === turn) fields.removeAttribute("aria-busy"); // otherwise a newer choice took over
    return;
  }
  if (mine !== turn) return;
  fields.removeAttribute("aria-busy");
  if (unused) keepUnused(unused);
  fields.querySelector(`[name="${changed}"]${changed === "model_type" || changed === "template" ? ":checked" : ""}`)?.focus();
  showValidation();
  countFeatures();
}

fields.addEventListener("change", ({ target }) => {
  if (target.matches("[data-refresh]")) refresh(target.name);
  if (target.name === "validation") showValidation();
  if (target.name === "features") countFeatures();
});

fields.addEventListener("click", ({ target }) => {
  const how = target.closest("[data-features]")?.dataset.features;
  if (!how) return;
  for (const box of fields.querySelectorAll('input[name="features"]')) {
    box.checked = how === "all" || (how === "proposed" && !("proposedOut" in box.dataset));
  }
  countFeatures();
});

showValidation();
countFeatures();
