// Behaviour of static/site/live.js: each event once and in order, whatever happens to the connection.
import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";

import { Live } from "../../static/site/live.js";
import { FakeBrowser, frame } from "./fakes.mjs";

const HEALTHY = (url) => (url === "/health" ? { status: 200, body: {} } : { status: 503, body: null });

let browser;
let live;
let seen;

function start(options) {
  browser = new FakeBrowser(options);
  live = new Live(browser.env);
  seen = [];
}

const record = (event) => seen.push(event.seq);

async function followed(after = 0) {
  live.follow("run:1", after, record);
  await browser.settle();
  browser.socket.open();
}

async function refuseSocketTwice() {
  browser.respond = HEALTHY;
  live.follow("run:1", 5, record);
  await browser.settle();
  browser.socket.fail();
  await browser.advance(1_000);
  browser.socket.fail();
  await browser.settle();
}

beforeEach(() => start());

describe("following over a WebSocket", () => {
  it("subscribes every topic of the page on one connection", async () => {
    live.follow("run:1", 4, record);
    live.follow("project:9", 0, record);
    await browser.settle();
    browser.socket.open();
    assert.equal(browser.sockets.length, 1);
    assert.equal(browser.socket.url, "ws://assay.test/ws/");
    assert.deepEqual(browser.socket.sent.slice(0, 2), [{ subscribe: "run:1", after: 4 }, { subscribe: "project:9", after: 0 }]);
  });

  it("drops the events that overlapping frames bring again", async () => {
    await followed(2);
    browser.socket.receive(frame("run:1", 1, 4));
    browser.socket.receive(frame("run:1", 3, 6));
    assert.deepEqual(seen, [3, 4, 5, 6]);
  });

  it("asks again from where it is when a frame leaves a hole", async () => {
    await followed();
    browser.socket.receive(frame("run:1", 1, 2));
    browser.socket.receive(frame("run:1", 5, 6));
    await browser.advance(1_000);
    browser.socket.open();
    assert.deepEqual(browser.socket.sent[0], { subscribe: "run:1", after: 2 });
    browser.socket.receive(frame("run:1", 3, 6));
    assert.deepEqual(seen, [1, 2, 3, 4, 5, 6]);
  });

  it("resumes by number after the connection broke", async () => {
    await followed();
    browser.socket.receive(frame("run:1", 1, 3));
    browser.socket.fail(1012);
    await browser.advance(1_000);
    browser.socket.open();
    assert.equal(browser.sockets.length, 2);
    assert.deepEqual(browser.socket.sent[0], { subscribe: "run:1", after: 3 });
  });

  it("ignores late callbacks of a connection it has left", async () => {
    await followed();
    const [old] = browser.sockets;
    old.fail();
    await browser.advance(1_000);
    old.onclose({ code: 1006 });
    old.receive(frame("run:1", 1, 1));
    await browser.advance(20_000);
    assert.equal(browser.sockets.length, 2);
    assert.deepEqual(seen, []);
  });

  it("keeps delivering to the others when one follower throws", async (context) => {
    const complaint = context.mock.method(console, "error", () => {});
    live.follow("run:1", 0, () => { throw new Error("broken chart"); });
    await followed();
    browser.socket.receive(frame("run:1", 1, 2));
    assert.deepEqual(seen, [1, 2]);
    assert.equal(complaint.mock.callCount(), 2);
  });

  it("gives a second follower of a topic the events it lacks, and nobody an event twice", async () => {
    await followed(3);
    const late = [];
    live.follow("run:1", 1, (event) => late.push(event.seq));
    assert.deepEqual(browser.socket.sent.slice(-2), [{ unsubscribe: "run:1" }, { subscribe: "run:1", after: 1 }]);
    browser.socket.receive(frame("run:1", 2, 5));
    assert.deepEqual(seen, [4, 5]);
    assert.deepEqual(late, [2, 3, 4, 5]);
  });

  it("unsubscribes and closes when the last follower has stopped", async () => {
    const stop = live.follow("run:1", 0, record);
    await browser.settle();
    const { socket } = browser;
    socket.open();
    stop();
    assert.deepEqual(socket.sent.at(-1), { unsubscribe: "run:1" });
    assert.equal(socket.readyState, 3);
    assert.equal(live.state, "idle");
    await browser.advance(60_000);
    assert.equal(browser.sockets.length, 1);
  });

  it("reports the round trip of its own ping as quality", async () => {
    const qualities = [];
    live.addEventListener("quality", ({ detail }) => qualities.push(detail));
    await followed();
    const { ping } = browser.socket.sent.find((message) => "ping" in message);
    browser.now += 900;
    browser.socket.receive({ pong: ping });
    assert.deepEqual(qualities.at(-1), { quality: "slow", rttMs: 900, mode: "ws" });
  });
});

describe("waiting before it tries again", () => {
  it("doubles the ceiling up to thirty seconds and takes a random part of it", async () => {
    live.follow("run:1", 0, record);
    await browser.settle();
    const waits = [];
    for (let round = 0; round < 8; round += 1) {
      const before = browser.now;
      const count = browser.sockets.length;
      browser.socket.fail();
      await browser.settle();
      while (browser.sockets.length === count) await browser.advance(500);
      waits.push(browser.now - before);
    }
    assert.deepEqual(waits, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
    start({ random: 0.1 });
    live.follow("run:1", 0, record);
    await browser.settle();
    browser.socket.fail();
    await browser.advance(49);
    assert.equal(browser.sockets.length, 1);
    await browser.advance(1);
    assert.equal(browser.sockets.length, 2);
  });

  it("starts again with a short wait after a connection that lived five seconds", async () => {
    live.follow("run:1", 0, record);
    await browser.settle();
    for (let round = 0; round < 4; round += 1) { browser.socket.fail(); await browser.advance(8_000); }
    browser.socket.open();
    await browser.advance(5_000);
    browser.socket.fail();
    await browser.advance(500);
    assert.equal(browser.sockets.length, 6);
  });

  it("reconnects when nothing at all arrived for 35 seconds", async () => {
    await followed();
    await browser.advance(30_000);
    browser.socket.receive({ heartbeat: 15_000 });
    await browser.advance(34_999);
    assert.equal(browser.sockets.length, 1);
    await browser.advance(1_001);
    assert.equal(browser.sockets.length, 2);
  });
});

describe("stepping down to another transport", () => {
  it("stays with WebSocket while the whole server is away", async () => {
    live.follow("run:1", 0, record);
    await browser.settle();
    for (let round = 0; round < 6; round += 1) { browser.socket.fail(); await browser.advance(30_000); }
    assert.equal(live.mode, "ws");
    assert.equal(browser.sources.length, 0);
  });

  it("goes to SSE after two refused handshakes beside an answering server", async () => {
    await refuseSocketTwice();
    assert.equal(live.mode, "sse");
    assert.equal(browser.source.url, "/api/v1/live/stream/?topic=run%3A1%3A5");
    browser.source.receive("events", frame("run:1", 6, 8));
    assert.deepEqual(seen, [6, 7, 8]);
    assert.equal(live.state, "open");
  });

  it("does not count a connection that was open as refused", async () => {
    browser.respond = HEALTHY;
    await followed();
    browser.socket.fail();
    await browser.advance(1_000);
    browser.socket.open();
    browser.socket.fail();
    await browser.advance(1_000);
    browser.socket.fail();
    await browser.settle();
    assert.equal(live.mode, "ws");
  });

  it("goes on to polling when SSE is refused as well, and asks from the last number", async () => {
    await refuseSocketTwice();
    const answers = [{ frames: [frame("run:1", 6, 7)] }, { frames: [] }, { frames: [frame("run:1", 8, 8)] }];
    browser.respond = (url) => (url.startsWith("/api/v1/live/events/") ? { status: 200, body: answers.shift() ?? { frames: [] } } : HEALTHY(url));
    browser.source.onerror();
    await browser.advance(1_000);
    browser.source.onerror();
    await browser.settle();
    await browser.advance(8_000);
    assert.equal(live.mode, "poll");
    assert.deepEqual(seen, [6, 7, 8]);
    assert.equal(browser.requests.at(-1), "/api/v1/live/events/?topic=run%3A1%3A8");
  });

  it("keeps the choice for the session and returns to WebSocket after ten minutes", async () => {
    await refuseSocketTwice();
    assert.match(browser.store.get("assay.live.mode"), /^sse \d+$/);
    const count = browser.sockets.length;
    for (let minute = 0; minute < 41; minute += 1) { browser.source.receive("heartbeat", {}); await browser.advance(15_000); }
    assert.equal(browser.sockets.length, count + 1);
    assert.equal(live.mode, "ws");
  });

  it("begins with the stored transport on the next page", async () => {
    start({ stored: "sse 999000" });
    live.follow("run:1", 0, record);
    await browser.settle();
    assert.equal(browser.sockets.length, 0);
    assert.equal(browser.sources.length, 1);
  });
});

describe("sleeping and waking", () => {
  it("closes after a minute in the background and resumes by number when seen again", async () => {
    await followed();
    browser.socket.receive(frame("run:1", 1, 2));
    browser.hide(true);
    for (let i = 0; i < 4; i += 1) { browser.socket.receive({ heartbeat: 15_000 }); await browser.advance(15_000); }
    assert.equal(live.state, "asleep");
    await browser.advance(300_000);
    assert.equal(browser.sockets.length, 1);
    browser.hide(false);
    browser.socket.open();
    assert.deepEqual(browser.socket.sent[0], { subscribe: "run:1", after: 2 });
  });

  it("stays connected when it is hidden for less than a minute", async () => {
    await followed();
    browser.hide(true);
    await browser.advance(20_000);
    browser.hide(false);
    browser.socket.receive({ heartbeat: 15_000 });
    await browser.advance(34_000);
    assert.equal(browser.sockets.length, 1);
    assert.equal(live.state, "open");
  });

  it("connects at once when the network or a cached page comes back", async () => {
    await followed();
    browser.emit("online");
    assert.equal(browser.sockets.length, 2);
    browser.emit("pageshow", { persisted: true });
    assert.equal(browser.sockets.length, 3);
    browser.emit("pageshow", { persisted: false });
    assert.equal(browser.sockets.length, 3);
  });
});

describe("being refused", () => {
  for (const code of [4401, 4403, 4404, 4410]) {
    it(`does not come back after close code ${code}`, async () => {
      const gone = [];
      live.addEventListener("gone", ({ detail }) => gone.push(detail.code));
      await followed();
      browser.socket.fail(code);
      await browser.advance(700_000);
      assert.deepEqual(gone, [code]);
      assert.equal(browser.sockets.length, 1);
      assert.equal(live.state, "gone");
    });
  }

  it("comes back after 4408, the code for a slow reader", async () => {
    await followed();
    browser.socket.fail(4408);
    await browser.advance(1_000);
    assert.equal(browser.sockets.length, 2);
  });

  it("gives up one topic when the server refuses that topic, and keeps the other", async () => {
    const gone = [];
    live.addEventListener("gone", ({ detail }) => gone.push(detail.topic));
    live.follow("run:2", 0, record);
    await followed();
    browser.socket.receive({ error: { code: "not_found", message: "No such run.", topic: "run:2" } });
    browser.socket.receive(frame("run:1", 1, 1));
    assert.deepEqual(gone, ["run:2"]);
    assert.deepEqual(seen, [1]);
    browser.socket.fail();
    await browser.advance(1_000);
    browser.socket.open();
    assert.deepEqual(browser.socket.sent.filter((message) => message.subscribe), [{ subscribe: "run:1", after: 1 }]);
  });

  it("polls sooner while there is news than while there is none", async () => {
    start({ stored: "poll 999000", random: 0.5 });
    const answers = [[frame("run:1", 1, 2)], [frame("run:1", 3, 3)]];
    browser.respond = () => ({ status: 200, body: { frames: answers.shift() ?? [] } });
    live.follow("run:1", 0, record);
    await browser.advance(1_000);
    assert.equal(browser.requests.length, 3);
    await browser.advance(1_999);
    assert.equal(browser.requests.length, 3);
    await browser.advance(1);
    assert.equal(browser.requests.length, 4);
    assert.deepEqual(seen, [1, 2, 3]);
  });

  it("stops polling when the list of topics is refused", async () => {
    start({ stored: "poll 999000" });
    browser.respond = () => ({ status: 403, body: null });
    live.follow("run:1", 0, record);
    await browser.advance(60_000);
    assert.equal(browser.requests.length, 1);
    assert.equal(live.state, "gone");
  });
});
