// Behaviour of the shell and its components: theme, menus, toasts, copying, confirming, times, upload zones, htmx glue.
import { followClientLink } from "./client_links.js";
import { live } from "./live.js";

followClientLink();

const strings = document.getElementById("ui-strings")?.dataset ?? {};

/** Word for a key of components/ui_strings.html ("status-running"), or the key itself. */
export function t(key) {
  return strings[key.replace(/-([a-z])/g, (_, letter) => letter.toUpperCase())] ?? key;
}

export const csrfToken = () => document.querySelector("meta[name=csrf-token]")?.content ?? "";
export const byId = (id) => document.getElementById(id);
/** Parsed content of a json_script element, or null. */
export const readJson = (id) => { const element = byId(id); return element ? JSON.parse(element.textContent) : null; };

/** Element with properties, data and children; strings become text nodes, never HTML. */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name === "dataset") Object.assign(element.dataset, value);
    else if (name === "class") element.className = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Icon of the vendored sprite; the address is taken from an icon that the server rendered. */
export function icon(name, size = "") {
  const sprite = document.querySelector("svg.icon use")?.getAttribute("href")?.split("#")[0] ?? "";
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", `icon${size ? ` icon-${size}` : ""}`);
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `${sprite}#${name}`);
  svg.append(use);
  return svg;
}

/** fetch with session, CSRF header and JSON both ways; throws an Error with status and body. */
export async function request(url, { method = "GET", json, signal } = {}) {
  const headers = { Accept: "application/json" };
  if (method !== "GET") headers["X-CSRFToken"] = csrfToken();
  if (json !== undefined) headers["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(url, { method, headers, signal, credentials: "same-origin", body: json === undefined ? undefined : JSON.stringify(json) });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw Object.assign(new Error(t("request-failed")), { status: 0, body: null });
  }
  const text = await answer.text();
  let body = null;
  try { body = text ? JSON.parse(text) : null; } catch { /* not JSON: an error page */ }
  if (!answer.ok) throw Object.assign(new Error(messageOf(body) ?? t("request-failed")), { status: answer.status, body });
  return body;
}

/** Readable message of an error answer: detail, error.message or the first field errors; null when there is none. */
export function messageOf(body) {
  if (!body || typeof body !== "object") return null;
  if (typeof body.detail === "string") return body.detail;
  if (body.error?.message) return body.error.message;
  if (typeof body.message === "string") return body.message;
  const [field, value] = Object.entries(body.fields ?? body.errors ?? body)[0] ?? [];
  if (field === undefined) return null;
  const first = Array.isArray(value) ? value[0] : value;
  return typeof first === "string" ? `${field}: ${first}` : messageOf(first);
}

// Toasts ---------------------------------------------------------------------------------------
/** Show a notice; level success, info, warning or error (errors stay until closed). */
export function toast(text, level = "info") {
  const area = document.querySelector("[data-toasts]");
  const notice = area.querySelector("template").content.firstElementChild.cloneNode(true);
  notice.className = `notice notice-${level}`;
  if (level === "error") notice.setAttribute("role", "alert");
  notice.querySelector(".notice-text").textContent = text;
  area.append(notice);
  expire(notice);
}

function expire(notice) {
  if (notice.matches(".notice-error, .notice-warning")) return;
  let timer = setTimeout(() => notice.remove(), 6_000);
  notice.addEventListener("pointerenter", () => clearTimeout(timer));
  notice.addEventListener("pointerleave", () => { timer = setTimeout(() => notice.remove(), 2_000); });
}

// Theme ----------------------------------------------------------------------------------------
const root = document.documentElement;
const markTheme = () => {
  for (const button of document.querySelectorAll("[data-theme-choice]")) button.setAttribute("aria-pressed", String(button.dataset.themeChoice === root.dataset.bsTheme));
};

export function setTheme(choice) {
  root.dataset.bsTheme = choice;
  const secure = location.protocol === "https:" ? "; secure" : "";
  document.cookie = `assay_theme=${choice}; path=/; max-age=31536000; samesite=lax${secure}`;
  markTheme();
  document.dispatchEvent(new Event("assay:theme"));
}

// Status, progress, numbers, times -------------------------------------------------------------
const language = root.lang || undefined;

/** Update a pill made by components/status_badge.html. */
export function setStatus(element, status, label = t(`status-${status}`)) {
  element.dataset.status = status;
  element.querySelector("[data-status-text]").textContent = label;
}

/** Update a bar made by components/progress.html; null means unknown. */
export function setProgress(element, percent) {
  if (percent === null || percent === undefined) element.removeAttribute("value");
  else element.value = percent;
}

export const formatNumber = (value, digits = 4) =>
  value === null || value === undefined || Number.isNaN(value) ? "—" : new Intl.NumberFormat(language, { maximumSignificantDigits: digits }).format(value);

export function formatBytes(bytes) {
  const power = Math.min(4, Math.max(0, Math.floor(Math.log2(Math.max(bytes, 1)) / 10)));
  return `${formatNumber(bytes / 1024 ** power, 3)} ${["B", "KiB", "MiB", "GiB", "TiB"][power]}`;
}

/** Seconds as "42 s", "3 min 20 s" or "2 h 5 min" in the page's language. */
export function formatDuration(seconds) {
  if (seconds === null || seconds === undefined) return "—";
  const unit = (value, name) => new Intl.NumberFormat(language, { style: "unit", unit: name, unitDisplay: "short", maximumFractionDigits: 0 }).format(value);
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return unit(whole, "second");
  if (whole < 3600) return `${unit(Math.floor(whole / 60), "minute")} ${unit(whole % 60, "second")}`;
  return `${unit(Math.floor(whole / 3600), "hour")} ${unit(Math.floor((whole % 3600) / 60), "minute")}`;
}

export function relativeTime(moment, now = Date.now()) {
  const seconds = (moment.getTime() - now) / 1000;
  const steps = [["second", 60], ["minute", 60], ["hour", 24], ["day", 30], ["month", 12], ["year", Infinity]];
  let value = seconds;
  for (const [unit, size] of steps) {
    if (Math.abs(value) < size) return new Intl.RelativeTimeFormat(language, { numeric: "auto", style: "long" }).format(Math.round(value), unit);
    value /= size;
  }
  return "";
}

function refreshTimes() {
  for (const element of document.querySelectorAll("time[data-relative]")) element.textContent = relativeTime(new Date(element.dateTime));
}

// Confirming -----------------------------------------------------------------------------------
/** Ask with the shared dialog; resolves to true or false. */
export function confirmDialog({ text, title = t("confirm-title"), label = t("confirm-ok"), danger = false }) {
  const dialog = document.querySelector("[data-confirm-dialog]");
  const slot = (name) => dialog.querySelector(`[data-confirm-slot=${name}]`);
  slot("title").textContent = title;
  slot("text").textContent = text;
  slot("ok").textContent = label;
  slot("ok").className = `btn ${danger ? "btn-danger" : "btn-primary"}`;
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue === "ok"), { once: true }));
}

async function confirmSubmit(event) {
  const { target: form, submitter } = event;
  const source = submitter?.dataset.confirm ? submitter : form;
  if (!source.dataset.confirm || form.dataset.confirmed) { delete form.dataset.confirmed; return; }
  event.preventDefault();
  event.stopImmediatePropagation();
  const { confirm: text, confirmTitle: title, confirmLabel: label, confirmDanger } = source.dataset;
  if (await confirmDialog({ text, title, label, danger: confirmDanger !== undefined })) {
    form.dataset.confirmed = "yes";
    form.requestSubmit(submitter ?? undefined);
  }
}

// Upload zones ---------------------------------------------------------------------------------
/** Sends the chosen files one after the other; see components/dropzone.html. */
export class DropZone {
  constructor(element) {
    this.element = element;
    this.input = element.querySelector("input[type=file]");
    this.list = element.querySelector("[data-dropzone-list]");
    this.queue = Promise.resolve();
    this.input.addEventListener("change", () => { this.add([...this.input.files]); this.input.value = ""; });
    const over = (on) => (event) => { event.preventDefault(); element.classList.toggle("is-over", on); };
    element.addEventListener("dragover", over(true));
    element.addEventListener("dragleave", over(false));
    element.addEventListener("drop", (event) => { over(false)(event); this.add([...event.dataTransfer.files].slice(0, this.input.multiple ? undefined : 1)); });
  }

  add(files) {
    for (const file of files) {
      const row = this.row(file);
      this.queue = this.queue.then(() => this.send(file, row, files.length));
    }
  }

  row(file) {
    const state = h("span", { class: "upload-state" }, t("upload-waiting"));
    const action = h("button", { class: "icon-button", type: "button", "aria-label": t("upload-cancel") }, icon("x", "sm"));
    const bar = h("progress", { class: "bar bar-thin", max: "100", value: "0", "aria-label": file.name });
    const element = h("li", { class: "upload", dataset: { state: "waiting" } }, h("bdi", { class: "upload-name" }, file.name), state, action, bar);
    const row = { element, state, action, bar, cancelled: false, xhr: null };
    action.addEventListener("click", () => { row.cancelled = true; row.xhr?.abort(); element.remove(); });
    this.list.append(element);
    return row;
  }

  form(file, count) {
    const owner = this.element.closest("form");
    const data = owner ? new FormData(owner) : new FormData();
    data.delete(this.input.name);
    if (!data.get("name") || count > 1) data.set("name", file.name.replace(/\.(gz|zip)$/i, "").replace(/\.[^.]+$/, ""));
    data.set(this.input.name, file, file.name);
    return data;
  }

  send(file, row, count) {
    if (row.cancelled) return Promise.resolve();
    const limit = Number(this.element.dataset.maxBytes ?? Infinity);
    if (file.size > limit) { this.fail(row, `${t("upload-too-large")} (${formatBytes(file.size)} > ${formatBytes(limit)})`); return Promise.resolve(); }
    return new Promise((resolve) => {
      const xhr = (row.xhr = new XMLHttpRequest());
      xhr.open("POST", this.element.dataset.uploadUrl);
      xhr.setRequestHeader("X-CSRFToken", csrfToken());
      xhr.setRequestHeader("Accept", "application/json");
      xhr.responseType = "text";
      xhr.upload.onprogress = ({ loaded, total }) => {
        row.bar.value = (100 * loaded) / Math.max(total, 1);
        row.state.textContent = loaded < total ? `${formatBytes(loaded)} / ${formatBytes(total)}` : t("upload-processing");
        if (loaded >= total) row.bar.removeAttribute("value");
      };
      xhr.onload = () => this.finish(file, row, xhr, count);
      xhr.onerror = () => this.fail(row, t("upload-lost"));
      xhr.onloadend = resolve;
      row.element.dataset.state = "sending";
      row.state.textContent = t("upload-sending");
      xhr.send(this.form(file, count));
    });
  }

  finish(file, row, xhr, count) {
    let body = null;
    try { body = JSON.parse(xhr.responseText); } catch { /* an error page of a proxy */ }
    if (xhr.status < 200 || xhr.status >= 300) {
      this.fail(row, messageOf(body) ?? (xhr.status === 413 ? t("upload-too-large") : `${t("upload-failed")} (${xhr.status})`));
      return;
    }
    row.element.dataset.state = "done";
    row.bar.value = 100;
    row.bar.classList.add("bar-good");
    row.state.textContent = t("upload-done");
    row.action.remove();
    const pattern = this.element.dataset.doneUrl;
    const url = body?.url ?? (pattern && body?.id !== undefined ? pattern.replace("__id__", encodeURIComponent(body.id)) : null);
    if (url?.startsWith("/")) {
      row.state.after(h("a", { class: "btn btn-sm", href: url }, t("upload-open")));
      if (count === 1 && this.element.dataset.follow !== undefined) location.assign(url);
    }
    this.element.dispatchEvent(new CustomEvent("upload:done", { bubbles: true, detail: { file, body } }));
  }

  fail(row, message) {
    row.element.dataset.state = "failed";
    row.state.textContent = t("upload-failed");
    row.bar.value = 100;
    row.bar.classList.add("bar-bad");
    row.element.append(h("div", { class: "upload-message", role: "alert" }, message));
  }
}

// Wiring ---------------------------------------------------------------------------------------
function enhance(scope = document) {
  for (const element of scope.querySelectorAll("[data-dropzone]")) element.dropzone ??= new DropZone(element);
  refreshTimes();
}

async function onClick(event) {
  const find = (selector) => event.target.closest?.(selector);
  for (const menu of document.querySelectorAll("details[data-menu][open]")) if (!menu.contains(event.target)) menu.open = false;
  find("[data-toast-close]")?.closest("[data-toast]").remove();
  const theme = find("[data-theme-choice]");
  if (theme) { setTheme(theme.dataset.themeChoice); theme.closest("details").open = false; }
  const copy = find("[data-copy]");
  if (copy) {
    try { await navigator.clipboard.writeText(copy.dataset.copy); toast(t("copied"), "success"); } catch { toast(t("copy-failed"), "warning"); }
  }
}

function onKey(event) {
  if (event.key === "Escape") {
    const menu = document.querySelector("details[data-menu][open]");
    if (menu) { menu.open = false; menu.querySelector("summary").focus(); }
  } else if (event.key === "/" && !event.ctrlKey && !event.metaKey && !event.target.closest("input, textarea, select, [contenteditable]")) {
    const search = document.querySelector("[data-search-key='/']");
    if (search) { event.preventDefault(); search.focus(); search.select(); }
  }
}

function wireLive() {
  const sign = document.querySelector("[data-live-sign]");
  if (!sign || !live) return;
  live.addEventListener("quality", ({ detail }) => {
    sign.hidden = false;
    sign.dataset.quality = detail.quality;
    sign.title = detail.rttMs === null ? "" : `${detail.rttMs} ms`;
    sign.querySelector("[data-live-sign-text]").textContent = t(`live-${detail.quality}`);
  });
  live.addEventListener("state", ({ detail }) => { if (detail.state === "idle") sign.hidden = true; });
}

// Once per page, even when the module is loaded under a hashed and a plain address.
function wire() {
  document.addEventListener("click", onClick);
  document.addEventListener("keydown", onKey);
  document.addEventListener("submit", confirmSubmit, true);
  document.addEventListener("htmx:configRequest", ({ detail }) => { if (detail.verb !== "get") detail.headers["X-CSRFToken"] = csrfToken(); });
  document.addEventListener("htmx:afterSwap", ({ target }) => enhance(target));
  document.addEventListener("htmx:sendError", () => toast(t("request-failed"), "error"));
  document.addEventListener("htmx:responseError", ({ detail }) => {
    let body = null;
    try { body = JSON.parse(detail.xhr.responseText); } catch { /* an error page */ }
    toast(messageOf(body) ?? t("request-failed"), "error");
  });
  for (const notice of document.querySelectorAll("[data-toast]")) expire(notice);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => document.dispatchEvent(new Event("assay:theme")));
  markTheme();
  wireLive();
  enhance();
  setInterval(refreshTimes, 30_000);
}

const WIRED = Symbol.for("assay.ui");
if (!globalThis[WIRED]) {
  globalThis[WIRED] = true;
  wire();
}
