// How curves are drawn, kept in the address so that it can be shared.

const FIELDS = ["find", "x", "log", "band", "smooth"];

/** Settings of a form made by experiments/chart_tools.html; `onChange(settings)` after each change. */
export class ChartTools {
  #form; #onChange; #timer = null;

  constructor(form, onChange) {
    this.#form = form;
    this.#onChange = onChange;
    this.#restore();
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", () => { this.#show(); clearTimeout(this.#timer); this.#timer = setTimeout(() => { this.#keep(); onChange(this.settings); }, 120); });
    this.#show();
  }

  get settings() {
    const field = (name) => this.#form.elements.namedItem(name);
    return {
      find: field("find")?.value.trim().toLowerCase() ?? "", x: field("x").value, log: field("log").checked,
      band: field("band").checked, smooth: Number(field("smooth").value),
    };
  }

  #show() { this.#form.querySelector("[data-smooth-value]").textContent = this.#form.elements.namedItem("smooth").value; }

  #restore() {
    const asked = new URLSearchParams(location.search);
    for (const name of FIELDS) {
      const field = this.#form.elements.namedItem(name);
      if (!field || !asked.has(name)) continue;
      if (field.type === "checkbox") field.checked = asked.get(name) === "1";
      else field.value = asked.get(name);
    }
  }

  #keep() {
    const url = new URL(location.href);
    const { find, x, log, band, smooth } = this.settings;
    const wanted = { find, x: x === "step" ? "" : x, log: log ? "1" : "", band: band ? "" : "0", smooth: smooth ? String(smooth) : "" };
    for (const [name, value] of Object.entries(wanted)) value ? url.searchParams.set(name, value) : url.searchParams.delete(name);
    history.replaceState(null, "", url);
  }
}

/** Points with their x as chosen: steps and times as they are, times since the start in seconds. */
export function placed(points, x, startMs) {
  if (x !== "relative") return points;
  const first = startMs ?? points[0]?.[0] ?? 0;
  return points.map(([at, ...rest]) => [(at - first) / 1000, ...rest]);
}

/** Bounds of a chosen part as whole steps or milliseconds. */
export function bounds([from, to], x, startMs) {
  const back = (value) => (x === "relative" ? value * 1000 + (startMs ?? 0) : value);
  return { first: String(Math.floor(back(from))), last: String(Math.ceil(back(to))) };
}
