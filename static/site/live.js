// Live events in the browser: follows topics over WebSocket, SSE or polling and delivers each event once, in order.
// Usage: live.follow("run:7", after, (event) => …) returns a function that stops following.
// Events of `live`: "state" {state, mode}, "quality" {quality, rttMs}, "gone" {topic, code, message}.

const PATHS = { ws: "/ws/", sse: "/api/v1/live/stream/", poll: "/api/v1/live/events/", probe: "/health" };
const MODES = ["ws", "sse", "poll"];
const WATCHDOG_MS = 35_000;
const SLEEP_AFTER_MS = 60_000;
const RETRY_WS_AFTER_MS = 600_000;
const PING_EVERY_MS = 15_000;
const POLL_EVERY_MS = 2_000;
const POLL_BUSY_MS = 500;
const SLOW_RTT_MS = 400;
const REFUSED_CODES = new Set([4401, 4403, 4404, 4410]);
const STORE_KEY = "assay.live.mode";

export class Live extends EventTarget {
  #env; #topics = new Map(); #turn = 0; #failures = 0; #refusals = 0; #mode = "ws"; #socket = null; #source = null;
  #abort = null; #timers = new Map(); #state = "idle"; #openedAt = 0; #queued = false; #steppedAt = 0;

  constructor(env = globalThis) {
    super();
    this.#env = env;
    this.#recallMode();
    const doc = env.document;
    doc?.addEventListener("visibilitychange", () => (doc.hidden ? this.#dozeOff() : this.#wake()));
    env.addEventListener?.("online", () => this.#wake(true));
    env.addEventListener?.("pageshow", (event) => event.persisted && this.#wake(true));
  }

  get state() { return this.#state; }
  get mode() { return this.#mode; }

  follow(topic, after, fn) {
    const known = this.#topics.get(topic);
    const entry = known ?? { after, followers: new Set() };
    const follower = { after, fn };
    entry.followers.add(follower);
    this.#topics.set(topic, entry);
    const behind = after < entry.after;
    entry.after = Math.min(entry.after, after);
    if (!known || behind) this.#announce(topic, behind);
    return () => {
      entry.followers.delete(follower);
      if (entry.followers.size === 0 && this.#topics.get(topic) === entry) this.#drop(topic);
    };
  }

  #drop(topic) {
    this.#topics.delete(topic);
    if (this.#mode === "ws" && this.#state === "open") this.#send({ unsubscribe: topic });
    if (this.#topics.size === 0) this.#stop("idle");
  }

  #announce(topic, again) {
    if (this.#mode === "ws" && this.#state === "open") {
      if (again) this.#send({ unsubscribe: topic });
      this.#send({ subscribe: topic, after: this.#topics.get(topic).after });
    } else if (!this.#queued && this.#state !== "asleep") {
      this.#queued = true; // several follow() calls of one page make one connection
      queueMicrotask(() => { this.#queued = false; if (this.#topics.size) this.#connect(); });
    }
  }

  #connect() {
    this.#close();
    const turn = this.#turn;
    if (this.#mode !== "ws" && this.#env.Date.now() - this.#steppedAt >= RETRY_WS_AFTER_MS) this.#setMode("ws");
    this.#setState("connecting");
    this.#openedAt = 0;
    this.#watch(turn);
    if (this.#mode === "ws") this.#openSocket(turn);
    else if (this.#mode === "sse") this.#openSource(turn);
    else this.#poll(turn);
    if (this.#mode !== "ws") this.#timer("upgrade", () => this.#connect(), RETRY_WS_AFTER_MS);
  }

  #openSocket(turn) {
    const { protocol, host } = this.#env.location;
    let socket;
    try { socket = new this.#env.WebSocket(`${protocol === "https:" ? "wss" : "ws"}://${host}${PATHS.ws}`); } catch { this.#failed(turn); return; }
    this.#socket = socket;
    socket.onopen = () => {
      if (turn !== this.#turn) return;
      this.#opened();
      for (const [topic, { after }] of this.#topics) this.#send({ subscribe: topic, after });
      const ping = () => { this.#send({ ping: this.#env.Date.now() }); this.#timer("ping", ping, PING_EVERY_MS); };
      ping();
    };
    socket.onmessage = ({ data }) => turn === this.#turn && this.#message(JSON.parse(data), turn);
    socket.onclose = ({ code }) => {
      if (turn !== this.#turn) return;
      if (REFUSED_CODES.has(code)) this.#refused(code);
      else this.#failed(turn);
    };
  }

  #openSource(turn) {
    const source = new this.#env.EventSource(`${PATHS.sse}?${this.#query()}`);
    this.#source = source;
    const take = (event) => turn === this.#turn && (this.#opened(), this.#message(JSON.parse(event.data), turn));
    source.addEventListener("events", take);
    source.addEventListener("heartbeat", () => turn === this.#turn && (this.#opened(), this.#watch(turn)));
    for (const name of ["gone", "reset"]) source.addEventListener(name, take);
    source.onopen = () => turn === this.#turn && (this.#setState("open"), this.#quality("good"));
    source.onerror = () => turn === this.#turn && this.#failed(turn);
  }

  async #poll(turn) {
    this.#abort = new AbortController();
    try {
      const answer = await this.#env.fetch(`${PATHS.poll}?${this.#query()}`, { signal: this.#abort.signal, headers: { Accept: "application/json" }, credentials: "same-origin" });
      if (turn !== this.#turn) return;
      if ([401, 403, 404, 410].includes(answer.status)) { this.#refused(4000 + answer.status % 1000); return; }
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      const body = await answer.json();
      if (turn !== this.#turn) return;
      if (!this.#openedAt) this.#opened();
      const frames = body.frames ?? [];
      for (const frame of frames) this.#message(frame, turn);
      if (turn !== this.#turn) return;
      this.#watch(turn);
      const pause = frames.length ? POLL_BUSY_MS : POLL_EVERY_MS;
      this.#timer("poll", () => this.#poll(turn), pause * (0.8 + 0.4 * this.#env.Math.random()));
    } catch {
      if (turn === this.#turn) this.#failed(turn);
    }
  }

  #message(message, turn) {
    this.#watch(turn);
    if (message.events) this.#frame(message);
    else if ("pong" in message) {
      const rttMs = this.#env.Date.now() - message.pong;
      this.#quality(rttMs > SLOW_RTT_MS ? "slow" : "good", rttMs);
    } else if (message.error) {
      const { topic } = message.error;
      if (topic) this.#topics.delete(topic);
      if (this.#topics.size === 0) { this.#stop("gone"); this.#quality("gone"); }
      this.#emit("gone", message.error);
    }
  }

  #frame({ topic, from, to, events }) {
    const entry = this.#topics.get(topic);
    if (!entry) return;
    if (from > entry.after + 1) { this.#failed(this.#turn); return; } // a hole: ask again from where we are
    for (const event of events) {
      for (const follower of entry.followers) {
        if (event.seq <= follower.after) continue;
        follower.after = event.seq;
        try { follower.fn(event, topic); } catch (error) { console.error(error); }
      }
    }
    entry.after = Math.max(entry.after, to ?? events.at(-1)?.seq ?? 0);
  }

  async #failed(turn) {
    if (turn !== this.#turn) return;
    const opened = this.#openedAt;
    this.#close();
    const mine = this.#turn;
    this.#setState("down");
    this.#quality("down");
    if (opened && this.#env.Date.now() - opened >= 5_000) this.#failures = 0;
    this.#refusals = opened ? 0 : this.#refusals + 1;
    // A server that restarts refuses everything; only a refused door beside an open one is worth a step down.
    if (this.#refusals >= 2 && this.#mode !== "poll" && (await this.#probe())) {
      if (mine !== this.#turn) return;
      this.#setMode(MODES[MODES.indexOf(this.#mode) + 1]);
      this.#refusals = 0;
      this.#failures = 0;
      this.#connect();
    } else if (mine === this.#turn) {
      const ceiling = Math.min(30_000, 500 * 2 ** this.#failures++);
      this.#timer("retry", () => this.#connect(), this.#env.Math.random() * ceiling);
    }
  }

  async #probe() {
    try { return (await this.#env.fetch(PATHS.probe, { cache: "no-store", signal: AbortSignal.timeout(3_000) })).ok; } catch { return false; }
  }

  #refused(code) {
    this.#stop("gone");
    this.#quality("gone");
    this.#emit("gone", { topic: null, code, message: "" });
  }

  #opened() {
    if (this.#openedAt) return;
    this.#openedAt = this.#env.Date.now();
    this.#refusals = 0;
    this.#setState("open");
    this.#quality(this.#mode === "poll" ? "polling" : "good");
  }

  #wake(always = false) {
    this.#clear("sleep");
    if (this.#state === "asleep" || (always && ["open", "connecting", "down"].includes(this.#state))) { this.#failures = 0; this.#connect(); }
  }

  #dozeOff() {
    this.#timer("sleep", () => { if (this.#topics.size && this.#state !== "gone") { this.#stop("asleep"); this.#quality("asleep"); } }, SLEEP_AFTER_MS);
  }

  #stop(state) { this.#close(); this.#setState(state); }

  #close() {
    this.#turn += 1; // late callbacks of the old connection see another turn and do nothing
    for (const name of ["watchdog", "ping", "poll", "retry", "upgrade"]) this.#clear(name);
    this.#socket?.close();
    this.#source?.close();
    this.#abort?.abort();
    this.#socket = this.#source = this.#abort = null;
  }

  #watch(turn) { this.#timer("watchdog", () => this.#failed(turn), WATCHDOG_MS); }
  #timer(name, fn, ms) { this.#clear(name); this.#timers.set(name, this.#env.setTimeout(fn, ms)); }
  #clear(name) { this.#env.clearTimeout(this.#timers.get(name)); this.#timers.delete(name); }
  #send(message) { if (this.#socket?.readyState === 1) this.#socket.send(JSON.stringify(message)); }
  #query() { return [...this.#topics].map(([topic, { after }]) => `topic=${encodeURIComponent(`${topic}:${after}`)}`).join("&"); }
  #emit(type, detail) { this.dispatchEvent(Object.assign(new Event(type), { detail })); }
  #quality(quality, rttMs = null) { this.#emit("quality", { quality, rttMs, mode: this.#mode }); }
  #setState(state) { if (state !== this.#state) { this.#state = state; this.#emit("state", { state, mode: this.#mode }); } }

  #setMode(mode) {
    this.#mode = mode;
    this.#steppedAt = this.#env.Date.now();
    try { this.#env.sessionStorage.setItem(STORE_KEY, `${mode} ${this.#steppedAt}`); } catch { /* storage may be off */ }
  }

  #recallMode() {
    try {
      const [mode, at] = (this.#env.sessionStorage.getItem(STORE_KEY) ?? "ws 0").split(" ");
      if (MODES.includes(mode) && this.#env.Date.now() - Number(at) < RETRY_WS_AFTER_MS) { this.#mode = mode; this.#steppedAt = Number(at); }
    } catch { /* storage may be off */ }
    if (this.#mode === "ws" && this.#env.document?.querySelector("[data-live-sign][data-ws='off']")) { this.#mode = "sse"; this.#steppedAt = Infinity; }
  }
}

// One instance per page, even when the module is loaded under a hashed and a plain address.
const KEY = Symbol.for("assay.live");
export const live = (globalThis[KEY] ??= globalThis.document ? new Live() : null);
