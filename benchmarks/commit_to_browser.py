"""Commit -> socket: how long after a commit a WebSocket client has the event.

Runs a web process (uvicorn) and a writer over a fresh SQLite database, as the embedded default has
it, and measures in the same run, for the same events, a client that polls the table every 250 ms
as a naive live page would. All processes share one clock.

    .venv/bin/python -m benchmarks.commit_to_browser [--sockets 20] [--per-s 10] [--seconds 20]
"""

import argparse
import asyncio
import contextlib
import json
import os
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import websockets

ROOT = Path(__file__).resolve().parent.parent
POLL_S = 0.250


def percentile(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100)[percent - 1]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class Installation:
    """A data directory of its own, with a server and a writer as child processes."""

    def __init__(self, data_dir: str) -> None:
        self.data_dir = data_dir
        self.port = free_port()
        self.env = {
            **os.environ,
            "DATA_DIR": data_dir,
            "DJANGO_SETTINGS_MODULE": "tests.live_settings",
        }
        self.token = subprocess.run(
            [sys.executable, "-m", "tests.live_app", "prepare"],
            env=self.env, cwd=ROOT, check=True, capture_output=True, text=True,
        ).stdout.strip()  # fmt: skip

    @contextlib.contextmanager
    def serving(self):
        arguments = f"--port {self.port} --ws websockets-sansio --log-level warning".split()
        process = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", "tests.live_app:application", *arguments],
            env=self.env,
            cwd=ROOT,
        )
        try:
            for _ in range(600):
                with (
                    contextlib.suppress(OSError),
                    socket.create_connection(("127.0.0.1", self.port)),
                ):
                    break
                time.sleep(0.05)
            yield
        finally:
            process.terminate()
            process.wait(15)

    def writer(self, count: int, pause_s: float) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tests.live_app", "stamp", str(count), str(pause_s)]
        return subprocess.Popen(command, env=self.env, cwd=ROOT, stdout=subprocess.PIPE)


async def listen(place: Installation, seen: list[tuple[int, float]], count: int) -> None:
    """Note (number, wall clock) of each event as it comes off the socket."""
    url = f"ws://127.0.0.1:{place.port}/ws/"
    protocol = f"assay.token.{place.token}"
    async with websockets.connect(url, subprotocols=[protocol], compression=None) as line:
        await line.send(json.dumps({"subscribe": "test:1", "after": 0}))
        async for text in line:
            now = time.time()
            seen += [(event["seq"], now) for event in json.loads(text).get("events", ())]
            if seen and seen[-1][0] >= count:
                return


async def poll_table(place: Installation, seen: list[tuple[int, float]], count: int) -> None:
    """The naive way: ask the table for newer rows every 250 ms (in SQL, without HTTP's cost)."""
    database = sqlite3.connect(Path(place.data_dir) / "assay.sqlite3", timeout=20)
    last = 0
    while last < count:
        rows = database.execute(
            "SELECT seq FROM events_event WHERE seq > ? ORDER BY seq", (last,)
        ).fetchall()
        now = time.time()
        seen += [(seq, now) for (seq,) in rows]
        last = seen[-1][0] if seen else 0
        await asyncio.sleep(POLL_S)
    database.close()


async def measure(
    place: Installation, sockets: int, per_s: float, seconds: float
) -> dict[str, list[float]]:
    count = int(per_s * seconds)
    heard: list[list[tuple[int, float]]] = [[] for _ in range(sockets)]
    polled: list[tuple[int, float]] = []
    listening = [asyncio.ensure_future(listen(place, seen, count)) for seen in heard]
    polling = asyncio.ensure_future(poll_table(place, polled, count))
    await asyncio.sleep(1)
    writer = place.writer(count, 1 / per_s)
    output = await asyncio.to_thread(writer.communicate)
    committed = dict(enumerate((float(line) for line in output[0].split()), start=1))
    await asyncio.wait_for(asyncio.gather(*listening, polling), 60)

    def delays_ms(seen: list[tuple[int, float]]) -> list[float]:
        assert [seq for seq, _ in seen] == list(range(1, count + 1)), (
            "an event is missing or doubled"
        )
        return [(at - committed[seq]) * 1000 for seq, at in seen]

    return {
        "socket": [delay for seen in heard for delay in delays_ms(seen)],
        "naive": delays_ms(polled),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sockets", type=int, default=20)
    parser.add_argument("--per-s", type=float, default=10)
    parser.add_argument("--seconds", type=float, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="assay-bench-") as data_dir:
        place = Installation(data_dir)
        with place.serving():
            result = asyncio.run(measure(place, options.sockets, options.per_s, options.seconds))
    figures = {name: (percentile(d, 50), percentile(d, 95)) for name, d in result.items()}
    print(
        f"commit -> client, {options.sockets} sockets, {options.per_s:g} events/s, SQLite, uvicorn"
    )
    for name, title in (("socket", "websocket"), ("naive", "polling the table every 250 ms")):
        print(f"  {title:32} p50 {figures[name][0]:7.1f} ms   p95 {figures[name][1]:7.1f} ms")
    ratios = [figures["naive"][i] / figures["socket"][i] for i in (0, 1)]
    print(f"  polling / websocket              p50 {ratios[0]:7.1f} x    p95 {ratios[1]:7.1f} x")
    print(
        f"  goal: websocket p95 below 300 ms: {'reached' if figures['socket'][1] < 300 else 'MISSED'}"
    )


if __name__ == "__main__":
    main()
