"""Growth of the web process while it takes in a large file, as multipart and as the raw body.

Starts the product's own web server (uvicorn, then daphne) without a worker, so that the reading
job stays queued, uploads a generated CSV twice with different contents, and samples the process's
resident memory. Goal: at most 50 MiB of growth over what it had after a small upload.

usage: python benchmarks/upload_memory.py [--mb 1000] [--servers uvicorn daphne] [--port 8393]
"""

import argparse
import http.client
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import psutil  # noqa: E402  # the checkout's root comes first

GOAL_MIB = 50.0
MIB = 1024 * 1024
BOUNDARY = "assaybenchmarkboundary"
PASSWORD = "correct horse battery"
SERVE = """
import socket, sys
from platform_site.supervisor import roles
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("127.0.0.1", int(sys.argv[1])))
listener.listen(64)
roles.preload()
roles.run_web(listener)
"""
PREPARE = """
import django
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from tests.people import person, project_of
project_of((person("alice"), "administrator"))
"""


def csv_pieces(title: str, n_bytes: int) -> Iterator[bytes]:
    """Yield a CSV of exactly n bytes; the title makes its contents differ."""
    head = f"{title},period,depth,radius\n".encode()
    row = b"10797460,9.48803557,615.8,2.26\n"
    block = row * (MIB // len(row))
    yield head
    left = n_bytes - len(head)
    while left > 0:
        piece = block[:left]
        left -= len(piece)
        yield piece


def multipart(title: str, n_bytes: int) -> tuple[Iterator[bytes], int, dict[str, str], str]:
    """Return body, its length, headers and address of a form with a file."""
    head = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="name"\r\n\r\n{title}\r\n'
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{title}.csv"\r\n'
        "Content-Type: text/csv\r\n\r\n"
    ).encode()
    tail = f"\r\n--{BOUNDARY}--\r\n".encode()

    def body() -> Iterator[bytes]:
        yield head
        yield from csv_pieces(title, n_bytes)
        yield tail

    kind = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    return body(), len(head) + n_bytes + len(tail), kind, "/api/v1/datasets/"


def raw(title: str, n_bytes: int) -> tuple[Iterator[bytes], int, dict[str, str], str]:
    """Return body, its length, headers and address of a plain body."""
    address = f"/api/v1/datasets/?name={title}&file_name={title}.csv"
    return csv_pieces(title, n_bytes), n_bytes, {"Content-Type": "text/csv"}, address


class Server:
    """The web process alone, on a data directory of its own."""

    def __init__(self, data_dir: Path, kind: str, port: int, limit_bytes: int) -> None:
        self.port = port
        env = {
            **os.environ, "DATA_DIR": str(data_dir), "ASGI_SERVER": kind, "PYTHONPATH": str(ROOT),
            "DJANGO_SETTINGS_MODULE": "platform_site.settings", "MAX_UPLOAD_BYTES": str(limit_bytes),
        }  # fmt: skip
        subprocess.run([sys.executable, "-c", PREPARE], env=env, cwd=ROOT, check=True)
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVE, str(port)], env=env, cwd=ROOT, stderr=subprocess.DEVNULL
        )
        self.observed = psutil.Process(self.process.pid)
        self.token = ""

    def send(self, body, length: int, kind: dict[str, str], address: str) -> tuple[int, dict]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        headers = {**kind, "Content-Length": str(length)}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        connection.request("POST", address, body=body, headers=headers)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer.status, json.loads(text)

    def sign_in(self) -> None:
        """Wait until it serves, then get a token."""
        body = json.dumps({"username": "alice", "password": PASSWORD}).encode()
        kind = {"Content-Type": "application/json"}
        for _ in range(600):
            with suppress(ConnectionRefusedError):
                status, answer = self.send(body, len(body), kind, "/api/v1/auth/token/")
                assert status == 200, answer
                self.token = answer["token"]
                return
            time.sleep(0.1)
        raise AssertionError("the server does not start")

    @contextmanager
    def watched(self) -> Iterator[list[int]]:
        """Sample resident memory in a list while the block runs."""
        samples, ended = [self.observed.memory_info().rss], threading.Event()

        def sample() -> None:
            while not ended.wait(0.02):
                samples.append(self.observed.memory_info().rss)

        thread = threading.Thread(target=sample, daemon=True)
        thread.start()
        yield samples
        ended.set()
        thread.join()

    def stop(self) -> None:
        self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def measure(kind: str, port: int, n_bytes: int) -> bool:
    """Print one line per way of uploading; return whether the goal is kept."""
    kept = True
    with tempfile.TemporaryDirectory(prefix="assay-bench-") as scratch:
        server = Server(Path(scratch) / "data", kind, port, n_bytes + MIB)
        try:
            server.sign_in()
            for form in (multipart, raw):
                status, answer = server.send(*form(f"small{form.__name__}", 100_000))
                assert status == 201, answer
            for form in (multipart, raw):
                with server.watched() as samples:
                    began = time.perf_counter()
                    status, answer = server.send(*form(f"large{form.__name__}", n_bytes))
                    took_s = time.perf_counter() - began
                assert status == 201, answer
                assert answer["status"] == "validating", answer
                growth = (max(samples) - samples[0]) / MIB
                kept = kept and growth <= GOAL_MIB
                print(
                    f"{kind:8} {form.__name__:10} {n_bytes / 1e6:6.0f} MB in {took_s:6.1f} s "
                    f"({n_bytes / 1e6 / took_s:5.0f} MB/s)   resident {samples[0] / MIB:6.1f} MiB, "
                    f"grew by {growth:5.1f} MiB (goal {GOAL_MIB:.0f})"
                    f"{'' if growth <= GOAL_MIB else '  ABOVE'}",
                    flush=True,
                )
        finally:
            server.stop()
    return kept


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mb", type=int, default=1000)
    parser.add_argument("--servers", nargs="+", default=["uvicorn", "daphne"])
    parser.add_argument("--port", type=int, default=8393)
    options = parser.parse_args()
    kept = [measure(kind, options.port, options.mb * 1_000_000) for kind in options.servers]
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
