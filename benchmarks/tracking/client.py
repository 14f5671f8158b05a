"""The benchmark's own client: raw keep-alive sockets, bodies built before the clock starts.

The operations are those by which tracking servers are usually compared: 20 users, bodies of 40, 400
and 1,000 metric points, at most 100 params a request, a history of 20,000 points, searches.
"""

import json
import random
import socket
import statistics
import string
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

RUN_ID = b"@@RUN_ID@@@@RUN_ID@@@@RUN_ID@@@@"  # as long as an id, so that lengths stay
API = "/api/2.0/mlflow/"
NOW_MS = int(time.time() * 1000)
Request = tuple[str, str, bytes | None]


class Connection:
    """One kept connection; knows Content-Length and chunked answers, nothing else."""

    def __init__(self, base_url: str, token: str | None = None) -> None:
        url = urlsplit(base_url)
        self.address = (url.hostname, url.port)
        extra = f"Authorization: Bearer {token}\r\n" if token else ""
        self.head = f"Host: {url.hostname}:{url.port}\r\n{extra}".encode()
        self.open()

    def open(self) -> None:
        self.socket = socket.create_connection(self.address, timeout=120)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.rest = b""

    def close(self) -> None:
        self.socket.close()

    def raw(self, request: Request) -> bytes:
        """Return the bytes of a request."""
        method, path, body = request
        start = f"{method} {API}{path} HTTP/1.1\r\n".encode() + self.head
        if body is None:
            return start + b"\r\n"
        kind = b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        return start + kind + body

    def exchange(self, raw: bytes, *, again: bool = False) -> tuple[int, bytes]:
        """Send a request; return status and body.

        With `again` a request whose connection turns out to be closed is sent once more, as every
        client of a server with kept connections must.
        """
        try:
            return self._exchange(raw)
        except OSError:
            if not again:
                raise
            self.close()
            self.open()
            return self._exchange(raw)

    def _exchange(self, raw: bytes) -> tuple[int, bytes]:
        self.socket.sendall(raw)
        while (end := self.rest.find(b"\r\n\r\n")) < 0:
            self._more()
        head, self.rest = self.rest[:end], self.rest[end + 4 :]
        status = int(head[9:12])
        lower = head.lower()
        if b"transfer-encoding: chunked" in lower:
            return status, self._chunked()
        at = lower.find(b"content-length:")
        length = int(lower[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        return status, self._take(length)

    def json(self, method: str, path: str, payload: object = None) -> dict:
        """Return the answer as JSON."""
        body = None if payload is None else json.dumps(payload).encode()
        status, answer = self.exchange(self.raw((method, path, body)), again=True)
        if status != 200:
            raise RuntimeError(f"{method} {path}: {status} {answer[:300]!r}")
        return json.loads(answer)

    def _more(self) -> None:
        data = self.socket.recv(262_144)
        if not data:
            raise ConnectionError("the server closed the connection")
        self.rest += data

    def _take(self, length: int) -> bytes:
        parts, have = [self.rest], len(self.rest)
        while have < length:
            data = self.socket.recv(min(1 << 20, length - have))
            if not data:
                raise ConnectionError("the server closed the connection")
            parts.append(data)
            have += len(data)
        whole = b"".join(parts)
        self.rest = whole[length:]
        return whole[:length]

    def _chunked(self) -> bytes:
        parts = []
        while True:
            while (end := self.rest.find(b"\r\n")) < 0:
                self._more()
            size = int(self.rest[:end].split(b";")[0], 16)
            self.rest = self.rest[end + 2 :]
            data = self._take(size + 2)
            if not size:
                return b"".join(parts)
            parts.append(data[:-2])


def batch(keys: int, steps: int, params: int = 0) -> bytes:
    """Return a log-batch of keys x steps points, its run left open."""
    rng = random.Random(7)
    points = [
        {"key": f"m{keys}-{key}", "value": rng.random(), "timestamp": NOW_MS + step, "step": step}
        for step in range(steps)
        for key in range(keys)
    ]
    pairs = [{"key": f"p{params}-{key}", "value": str(rng.random())} for key in range(params)]
    return json.dumps({"run_id": RUN_ID.decode(), "metrics": points, "params": pairs}).encode()


def word(length: int = 8) -> str:
    return "".join(random.choices(string.ascii_lowercase, k=length))


@dataclass
class Stage:
    """What the operations work on: an experiment, runs with history, a fresh run for each user."""

    base_url: str
    token: str | None
    users: int
    history_points: int
    search_runs: int
    runs: list[str] = field(default_factory=list)

    def set_up(self) -> None:
        self.client = Connection(self.base_url, self.token)
        new = self.client.json
        self.experiment = new("POST", "experiments/create", {"name": f"load-{word()}"})[
            "experiment_id"
        ]
        self.searched = new("POST", "experiments/create", {"name": f"search-{word()}"})[
            "experiment_id"
        ]
        self.runs = [self.new_run(self.experiment) for _ in range(self.users)]
        self.long_run = self.new_run(self.experiment)
        for start in range(0, self.history_points, 1000):
            points = [
                {"key": "loss", "value": 1 / (1 + step), "timestamp": NOW_MS + step, "step": step}
                for step in range(start, min(start + 1000, self.history_points))
            ]
            new("POST", "runs/log-batch", {"run_id": self.long_run, "metrics": points})
        rng = random.Random(11)
        for number in range(self.search_runs):
            self._searched_run(number, rng)

    def _searched_run(self, number: int, rng: random.Random) -> None:
        run = self.new_run(self.searched, f"run-{number}")
        metrics = [
            {"key": key, "value": rng.random(), "timestamp": NOW_MS, "step": 0}
            for key in ("loss", "acc", "f1", "auc", "epoch_s")
        ]
        params = [
            {"key": key, "value": str(rng.randint(0, 9))}
            for key in ("depth", "lr", "seed", "model", "batch")
        ]
        tags = [{"key": "team", "value": rng.choice(["red", "blue"])}]
        body = {"run_id": run, "metrics": metrics, "params": params, "tags": tags}
        self.client.json("POST", "runs/log-batch", body)

    def new_run(self, experiment: str, name: str | None = None) -> str:
        tags = [{"key": "mlflow.user", "value": "load"}]
        body = {"experiment_id": experiment, "start_time": NOW_MS, "tags": tags}
        if name:
            body["run_name"] = name
        return self.client.json("POST", "runs/create", body)["run"]["info"]["run_id"]


Operations = dict[str, tuple[int, Callable[[int], Request]]]


def operations(stage: Stage) -> Operations:
    """Return name -> (points in a request, function of the user's number that makes a request)."""

    def dumped(method: str, path: str, body: object) -> Request:
        return method, path, json.dumps(body).encode()

    history = f"metrics/get-history?run_id={stage.long_run}&metric_key=loss&max_results=25000"
    bodies = {
        "log-batch-40": (40, batch(10, 4)), "log-batch-400": (400, batch(100, 4)),
        "log-batch-1000": (1000, batch(500, 2)), "log-params-100": (0, batch(0, 0, 100)),
    }  # fmt: skip
    found: Operations = {
        "create-run": (0, lambda _: dumped("POST", "runs/create", {
            "experiment_id": stage.experiment, "start_time": NOW_MS})),
        "log-metric": (1, lambda user: dumped("POST", "runs/log-metric", {
            "run_id": stage.runs[user], "key": "single", "value": random.random(),
            "timestamp": NOW_MS, "step": random.randint(0, 10**6)})),
        "get-run": (0, lambda user: ("GET", f"runs/get?run_id={stage.runs[user]}", None)),
        "metric-history": (0, lambda _: ("GET", history, None)),
        "search-runs": (0, lambda _: dumped("POST", "runs/search", {
            "experiment_ids": [stage.searched], "max_results": 50,
            "filter": "metrics.loss < 0.5 and params.depth = '3' and tags.team = 'red'",
            "order_by": ["metrics.acc DESC"]})),
        "list-runs-100": (0, lambda _: dumped("POST", "runs/search", {
            "experiment_ids": [stage.searched], "max_results": 100})),
        "search-experiments": (0, lambda _: dumped("POST", "experiments/search", {
            "max_results": 10, "filter": "name LIKE 'load-%'"})),
    }  # fmt: skip
    for name, (points, body) in bodies.items():
        found[name] = (points, lambda user, body=body: (
            "POST", "runs/log-batch", body.replace(RUN_ID, stage.runs[user].encode())))  # fmt: skip
    return found


@dataclass
class Measured:
    """One operation, driven once."""

    requests: int
    errors: list[str]
    wall_s: float
    p50_ms: float
    p99_ms: float

    @property
    def per_s(self) -> float:
        return self.requests / self.wall_s


def drive(stage: Stage, rounds: int, make: Callable[[int], Request]) -> Measured:
    """Send `rounds` requests on each of the users' connections at once."""
    latencies: list[float] = []
    errors: list[str] = []
    gate = threading.Barrier(stage.users + 1)

    def user(number: int) -> None:
        connection = Connection(stage.base_url, stage.token)
        connection.exchange(connection.raw(("GET", "experiments/get?experiment_id=0", None)))
        raws = [connection.raw(make(number)) for _ in range(rounds)]
        gate.wait()
        for raw in raws:
            began = time.perf_counter()
            try:
                status, answer = connection.exchange(raw, again=True)
                if status != 200:
                    errors.append(f"{status} {answer[:160]!r}")
            except OSError as error:
                errors.append(repr(error))
                connection.close()
                connection.open()
            latencies.append(time.perf_counter() - began)
        connection.close()

    threads = [threading.Thread(target=user, args=(number,)) for number in range(stage.users)]
    for thread in threads:
        thread.start()
    gate.wait()
    began = time.perf_counter()
    for thread in threads:
        thread.join()
    wall_s = time.perf_counter() - began
    latencies.sort()
    p99 = latencies[int(len(latencies) * 0.99)]
    return Measured(len(latencies), errors, wall_s, 1e3 * statistics.median(latencies), 1e3 * p99)
