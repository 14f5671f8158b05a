// A small browser for live.js: clock, WebSocket, EventSource, fetch and document that a test steers by hand.

export class FakeBrowser {
  constructor({ stored = null, random = 1 } = {}) {
    this.now = 1_000_000;
    this.timers = new Map();
    this.nextTimer = 1;
    this.sockets = [];
    this.sources = [];
    this.requests = [];
    this.respond = () => ({ status: 503, body: null });
    this.store = new Map(stored ? [["assay.live.mode", stored]] : []);
    this.listeners = {};
    this.hidden = false;
    this.random = random;
    this.env = this.build();
  }

  build() {
    const browser = this;
    class FakeSocket {
      constructor(url) { Object.assign(this, { url, readyState: 0, sent: [] }); browser.sockets.push(this); }
      send(text) { this.sent.push(JSON.parse(text)); }
      close() { this.readyState = 3; }
      open() { this.readyState = 1; this.onopen(); }
      receive(message) { this.onmessage({ data: JSON.stringify(message) }); }
      fail(code = 1006) { this.readyState = 3; this.onclose({ code }); }
    }
    class FakeSource {
      constructor(url) { Object.assign(this, { url, handlers: {}, closed: false }); browser.sources.push(this); }
      addEventListener(name, fn) { this.handlers[name] = fn; }
      close() { this.closed = true; }
      receive(name, message) { this.handlers[name]({ data: JSON.stringify(message) }); }
    }
    const on = (name, fn) => { (this.listeners[name] ??= []).push(fn); };
    return {
      location: { protocol: "http:", host: "assay.test" },
      WebSocket: FakeSocket,
      EventSource: FakeSource,
      Date: { now: () => this.now },
      Math: { random: () => this.random },
      setTimeout: (fn, ms) => { this.timers.set(this.nextTimer, { fn, at: this.now + ms }); return this.nextTimer++; },
      clearTimeout: (id) => this.timers.delete(id),
      sessionStorage: { getItem: (key) => this.store.get(key) ?? null, setItem: (key, value) => this.store.set(key, value) },
      document: { get hidden() { return browser.hidden; }, addEventListener: on, querySelector: () => null },
      addEventListener: on,
      fetch: async (url) => {
        this.requests.push(url);
        const { status, body } = await this.respond(url);
        return { ok: status < 400, status, json: async () => body };
      },
    };
  }

  emit(name, event = {}) { for (const fn of this.listeners[name] ?? []) fn(event); }
  hide(hidden) { this.hidden = hidden; this.emit("visibilitychange"); }

  /** Let promises settle without real time passing. */
  async settle() { for (let turn = 0; turn < 20; turn += 1) await Promise.resolve(); }

  /** Move the clock and run the timers that fall due, in order. */
  async advance(ms) {
    await this.settle();
    const end = this.now + ms;
    for (;;) {
      const due = [...this.timers].filter(([, timer]) => timer.at <= end).sort((a, b) => a[1].at - b[1].at)[0];
      if (!due) break;
      this.timers.delete(due[0]);
      this.now = Math.max(this.now, due[1].at);
      due[1].fn();
      await this.settle();
    }
    this.now = end;
    await this.settle();
  }

  get socket() { return this.sockets.at(-1); }
  get source() { return this.sources.at(-1); }
}

/** A frame of the topic with the numbers from..to, as the server sends it. */
export function frame(topic, from, to) {
  const events = [];
  for (let seq = from; seq <= to; seq += 1) events.push({ seq, kind: "run.progressed", data: { progress: seq }, at: "2026-01-01T00:00:00Z" });
  return { topic, from, to, events };
}
