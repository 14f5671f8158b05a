"""The live path on real servers and raw clients: cuts, restarts, clients that never read."""

import asyncio
import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import psutil
import pytest
import websockets

pytestmark = [pytest.mark.slow, pytest.mark.chaos]
ROOT = Path(__file__).resolve().parents[2]
CLIENTS, EVENTS = 30, 3000


class Server:
    """A web process of its own over a database of its own, on a port of its own."""

    def __init__(self, kind: str, data_dir: str) -> None:
        self.kind = kind
        self.env = {
            **os.environ,
            "DATA_DIR": data_dir,
            "DJANGO_SETTINGS_MODULE": "tests.live_settings",
        }
        self.env.pop("DATABASE_URL", None)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.token = self.run("prepare").strip()
        self.process: subprocess.Popen[bytes] | None = None

    def run(self, *arguments: str) -> str:
        command = [sys.executable, "-m", "tests.live_app", *arguments]
        return subprocess.run(
            command, env=self.env, cwd=ROOT, check=True, capture_output=True, text=True
        ).stdout

    def writer(self, count: int, *, pause_ms: int, size: int = 0) -> "subprocess.Popen[bytes]":
        numbers = [str(count), str(pause_ms), str(size)]
        command = [sys.executable, "-m", "tests.live_app", "write", *numbers]
        return subprocess.Popen(command, env=self.env, cwd=ROOT)

    def start(self) -> None:
        app = "tests.live_app:application"
        command = {
            "uvicorn": ["uvicorn", app, "--ws", "websockets-sansio", "--log-level", "warning"]
            + ["--timeout-graceful-shutdown", "2", "--port", str(self.port)],
            "daphne": ["daphne", app, "-v", "0", "-p", str(self.port)],
        }[self.kind]
        self.process = subprocess.Popen([sys.executable, "-m", *command], env=self.env, cwd=ROOT)

    async def answering(self) -> None:
        async with asyncio.timeout(40):
            while True:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                    writer.close()
                    return
                await asyncio.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(how)
        return self.process.wait(15)


@pytest.fixture(params=["uvicorn", "daphne"])
def server(request):
    with tempfile.TemporaryDirectory(prefix="assay-live-") as data_dir:
        running = Server(request.param, data_dir)
        running.start()
        try:
            yield running
        finally:
            if running.process is not None and running.process.poll() is None:
                running.stop(signal.SIGKILL)


async def over_websocket(server: Server, after: int) -> AsyncIterator[dict]:
    async with websockets.connect(
        f"ws://127.0.0.1:{server.port}/ws/",
        subprotocols=[f"assay.token.{server.token}", "assay.live"],
        close_timeout=0.2,
        compression=None,
    ) as line:
        await line.send(json.dumps({"subscribe": "test:1", "after": after}))
        async for text in line:
            message = json.loads(text)
            assert "error" not in message, message
            if "events" in message:
                yield message


async def over_stream(server: Server, after: int) -> AsyncIterator[dict]:
    headers = {"Authorization": f"Bearer {server.token}", "Last-Event-ID": f"test:1:{after}"}
    url = f"http://127.0.0.1:{server.port}/api/v1/live/stream/?topic=test:1"
    async with (
        httpx.AsyncClient(timeout=20) as http,
        http.stream("GET", url, headers=headers) as answer,
    ):
        answer.raise_for_status()
        name = ""
        async for text in answer.aiter_lines():
            if text.startswith("event: "):
                name = text.removeprefix("event: ")
            elif text.startswith("data: ") and name == "events":
                yield json.loads(text.removeprefix("data: "))


async def over_polling(server: Server, after: int) -> AsyncIterator[dict]:
    headers = {"Authorization": f"Bearer {server.token}"}
    async with httpx.AsyncClient(timeout=20) as http:
        while True:
            url = f"http://127.0.0.1:{server.port}/api/v1/live/events/?topic=test:1:{after}"
            answer = await http.get(url, headers=headers)
            answer.raise_for_status()
            for frame in answer.json()["frames"]:
                yield frame
                after = frame["to"]
            await asyncio.sleep(0.2)


class Client:
    """Follows test:1 to the end over one skin, and cuts itself at random."""

    def __init__(self, server: Server, number: int) -> None:
        self.server = server
        self.chance = random.Random(number)
        self.skin = [over_websocket, over_stream, over_polling][number % 3]
        self.seen: list[int] = []
        self.cuts = 0

    async def follow(self, last: int) -> None:
        while not self.seen or self.seen[-1] < last:
            with contextlib.suppress(
                OSError, TimeoutError, httpx.HTTPError, websockets.WebSocketException
            ):
                async with asyncio.timeout(self.chance.uniform(0.5, 4)):
                    await self.read(last)
            self.cuts += 1
            await asyncio.sleep(self.chance.uniform(0, 0.3))

    async def read(self, last: int) -> None:
        frames = self.skin(self.server, self.seen[-1] if self.seen else 0)
        async with contextlib.aclosing(frames):
            async for frame in frames:
                self.seen += [event["seq"] for event in frame["events"]]
                if self.seen[-1] >= last:
                    return


async def test_every_client_gets_every_event_once_and_in_order(server):
    await server.answering()
    clients = [Client(server, number) for number in range(CLIENTS)]
    following = [asyncio.ensure_future(client.follow(EVENTS)) for client in clients]
    writer = server.writer(EVENTS, pause_ms=5)
    try:
        for how in (signal.SIGKILL, signal.SIGTERM):
            await reached(clients[1::3], EVENTS // 4 if how == signal.SIGKILL else EVENTS // 2)
            await asyncio.to_thread(server.stop, how)
            server.start()
        await asyncio.gather(*following)
    finally:
        for task in following:
            task.cancel()
        writer.wait(30)
    everything = list(range(1, EVENTS + 1))
    assert [client.seen == everything for client in clients] == [True] * CLIENTS
    assert sum(client.cuts for client in clients) > CLIENTS


async def reached(clients: list[Client], number: int) -> None:
    """Wait until one of the clients has seen this number."""
    async with asyncio.timeout(60):
        while not any(client.seen and client.seen[-1] >= number for client in clients):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def handshake(server: Server, skin: str) -> bytes:
    if skin == "stream":
        return (
            f"GET /api/v1/live/stream/?topic=test:1:0 HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
            f"Authorization: Bearer {server.token}\r\n\r\n"
        ).encode()
    return (
        f"GET /ws/ HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        f"Sec-WebSocket-Protocol: assay.token.{server.token}\r\n\r\n"
    ).encode()


SUBSCRIBE = b'{"subscribe": "test:1", "after": 0}'
SUBSCRIBE_FRAME = b"\x81" + bytes([0x80 | len(SUBSCRIBE)]) + bytes(4) + SUBSCRIBE


def read_to_the_end(line: socket.socket) -> bytes:
    """Return the last bytes of the answer or connection (daphne resets after 1 s)."""
    last = b""
    with contextlib.suppress(ConnectionResetError):
        while not last.endswith(b"\r\n0\r\n\r\n") and (chunk := line.recv(1 << 20)):
            last = (last + chunk)[-200:]
    return last


@pytest.mark.parametrize("skin", ["socket", "stream"])
async def test_a_client_that_never_reads_is_cut_and_others_go_on(server, skin):
    await server.answering()
    memory = psutil.Process(server.process.pid).memory_info
    before = memory().rss
    with socket.socket() as stuck:
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
        stuck.settimeout(40)
        stuck.connect(("127.0.0.1", server.port))
        stuck.sendall(handshake(server, skin))
        if skin == "socket":
            assert b"101" in await asyncio.to_thread(stuck.recv, 400)
            stuck.sendall(SUBSCRIBE_FRAME)
        reader = Client(server, 0)
        writer = server.writer(160, pause_ms=60, size=80_000)
        await reader.follow(160)
        writer.wait(30)
        assert reader.seen == list(range(1, 161))
        assert memory().rss - before < 48 * 1024 * 1024
        last = await asyncio.to_thread(read_to_the_end, stuck)
    if skin == "socket" and server.kind == "uvicorn":
        assert b"\x11\x38" in last  # 4408


async def test_a_server_that_stops_says_that_it_will_be_back():
    with tempfile.TemporaryDirectory(prefix="assay-live-") as data_dir:
        server = Server("uvicorn", data_dir)
        server.start()
        await server.answering()
        url = f"ws://127.0.0.1:{server.port}/ws/"
        async with websockets.connect(url, subprotocols=[f"assay.token.{server.token}"]) as line:
            await line.send('{"ping": 1}')
            assert await line.recv() == '{"pong": 1}'
            stream = over_stream(server, 0)
            waiting = asyncio.ensure_future(anext(stream))
            await asyncio.to_thread(server.stop)
            await line.wait_closed()
            assert line.close_code == 1012
            with pytest.raises((StopAsyncIteration, httpx.HTTPError)):
                await waiting


async def test_a_frame_beyond_all_bounds_is_refused_by_a_real_server(server):
    await server.answering()
    url = f"ws://127.0.0.1:{server.port}/ws/"
    async with websockets.connect(url, subprotocols=[f"assay.token.{server.token}"]) as line:
        await line.send("x" * (1024 * 1024 + 1))
        await line.wait_closed()
        assert line.close_code == {"uvicorn": 1009, "daphne": 1006}[server.kind]  # it just drops
