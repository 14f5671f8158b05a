"""The API as a script sees it that knows the pinned routes and nothing else."""

import asyncio
import json
import random
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import psutil
import websockets

from tests.probe.product import ROOT, Product

ROOT_NAME, ROOT_PASSWORD = "root", "correct horse battery"
PORTS = range(8400, 8410)
OVER = frozenset({"stopped", "completed", "failed", "lost"})
STATUSES = OVER | {"queued", "running", "pausing", "paused", "stopping"}


def start(data_dir: Any) -> Product:
    """Start the product on a free port with the administrator root, made by createsuperuser."""
    port = next(port for port in PORTS if not _answers(port))
    product = Product(data_dir, port, DJANGO_SETTINGS_MODULE="platform_site.settings", WORKERS="2")
    try:
        product.wait_ready(120)
        _create_root(product)
    except BaseException:
        product.close()
        raise
    return product


def _create_root(product: Product) -> None:
    env = {
        **product.env,
        "DJANGO_SUPERUSER_USERNAME": ROOT_NAME,
        "DJANGO_SUPERUSER_PASSWORD": ROOT_PASSWORD,
        "DJANGO_SUPERUSER_EMAIL": "root@example.org",
    }
    subprocess.run(
        [sys.executable, "manage.py", "createsuperuser", "--noinput"],
        cwd=ROOT, env=env, check=True, capture_output=True,
    )  # fmt: skip


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def until(look: Callable[[], Any], within_s: float = 90.0, every_s: float = 0.1) -> Any:
    """Return the first true answer."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(every_s)
    raise AssertionError("it did not happen in time")


class Client:
    """A script with a token."""

    def __init__(self, product: Product) -> None:
        self.product = product
        self.address = f"http://127.0.0.1:{product.port}"
        self.http = httpx.Client(base_url=f"{self.address}/api/v1", timeout=60, trust_env=False)
        answer = self.http.post(
            "/auth/token/", json={"username": ROOT_NAME, "password": ROOT_PASSWORD}
        )
        assert answer.status_code == 200, answer.text
        self.token = answer.json()["token"]
        self.http.headers["Authorization"] = f"Bearer {self.token}"

    def get(self, path: str, expect: int = 200) -> Any:
        """Return the JSON of a GET with the expected status."""
        answer = self.http.get(path)
        assert answer.status_code == expect, answer.text
        return answer.json()

    def post(self, path: str, body: Any, expect: int) -> Any:
        """Return the JSON of a POST with the expected status."""
        answer = self.http.post(path, json=body)
        assert answer.status_code == expect, answer.text
        return answer.json()

    def upload(
        self, name: str, content: bytes, file_name: str = "table.csv", expect: int = 201
    ) -> Any:
        """Return the answer to an upload."""
        answer = self.http.post(
            "/datasets/", files={"file": (file_name, content)}, data={"name": name}
        )
        assert answer.status_code == expect, answer.text
        return answer.json()

    def validated(self, dataset: int) -> Any:
        """Return the dataset once its newest version is ready or failed."""

        def look() -> Any:
            found = self.get(f"/datasets/{dataset}/")
            return found if found["status"] != "validating" else None

        return until(look, 120)

    def ready(self, name: str, content: bytes, file_name: str = "table.csv") -> int:
        """Upload and return the id of the dataset, ready."""
        made = self.upload(name, content, file_name)
        found = self.validated(made["id"])
        assert found["status"] == "ready", found
        return int(made["id"])

    def train(self, **specification: Any) -> int:
        """Return the id of a new training job."""
        made = self.post("/ml-platform/training-jobs/", specification, 202)
        assert made["status"] in STATUSES
        assert {"id", "run", "status"} <= set(made)
        return int(made["id"])

    def job(self, job: int) -> Any:
        """Return the job as it is."""
        return self.get(f"/ml-platform/training-jobs/{job}/")

    def wait(self, job: int, *statuses: str, within_s: float = 150.0) -> Any:
        """Return the job in one of the statuses; any other end is a failure."""

        def look() -> Any:
            found = self.job(job)
            assert found["status"] not in OVER - set(statuses), found["error"]
            return found if found["status"] in statuses else None

        return until(look, within_s)

    def learning(self, job: int, above: float = 0.0) -> Any:
        """Return the job once it learns."""

        def look() -> Any:
            found = self.job(job)
            assert found["status"] not in OVER, found
            learns = found["stage"] == "fitting" and found["progress"] > above
            return found if learns and found["metrics"] else None

        return until(look)

    def control(self, job: int, action: str, expect: int = 202) -> Any:
        """Return the answer to an action."""
        path = f"/ml-platform/training-jobs/{job}/control/"
        return self.post(path, {"action": action}, expect)

    def events(self, job: int, after: int = 0) -> list[dict[str, Any]]:
        """Return all events after a number, by polling."""
        found: list[dict[str, Any]] = []
        while True:
            page = self.get(f"/ml-platform/training-jobs/{job}/events/?after={after}")
            assert {"events", "next"} <= set(page)
            if not page["events"]:
                return found
            found += page["events"]
            after = page["next"]

    def stream(self, job: int, last_event_id: str | None = None) -> Iterator[tuple[str, str, Any]]:
        """Yield (event name, id, data) of the server-sent events."""
        headers = {"Last-Event-ID": last_event_id} if last_event_id else {}
        path = f"/ml-platform/training-jobs/{job}/stream/"
        with self.http.stream("GET", path, headers=headers, timeout=60) as answer:
            assert answer.status_code == 200
            assert answer.headers["content-type"].startswith("text/event-stream")
            event: dict[str, str] = {}
            for line in answer.iter_lines():
                if line:
                    key, _, value = line.partition(":")
                    event[key] = value.removeprefix(" ")
                elif "data" in event:
                    yield event.get("event", ""), event.get("id", ""), json.loads(event["data"])
                    event = {}

    def socket_frames(
        self, run: str, *, after: int, until_seq: int, as_protocol: str | None
    ) -> list[dict[str, Any]]:
        """Return the events of /ws/ up to a number; the token goes first or as a sub-protocol."""

        async def follow() -> list[dict[str, Any]]:
            address = f"ws://127.0.0.1:{self.product.port}/ws/"
            protocols = [websockets.Subprotocol(as_protocol)] if as_protocol else None
            async with websockets.connect(address, subprotocols=protocols, proxy=None) as socket_:
                if as_protocol is None:
                    await socket_.send(json.dumps({"token": self.token}))
                await socket_.send(json.dumps({"subscribe": f"run:{run}", "after": after}))
                found: list[dict[str, Any]] = []
                while not found or found[-1]["seq"] < until_seq:
                    frame = json.loads(await socket_.recv())
                    assert "error" not in frame, frame
                    if "events" in frame:
                        assert frame["topic"] == f"run:{run}"
                        found += frame["events"]
                return found

        return asyncio.run(asyncio.wait_for(follow(), 60))


def whole(events: list[dict[str, Any]], first: int = 1) -> bool:
    """Whether the events are numbered without a gap and without a repeat."""
    assert all({"seq", "kind", "data", "at"} <= set(event) for event in events)
    return [event["seq"] for event in events] == list(range(first, first + len(events)))


def child_of(product: Product, job: int) -> psutil.Process:
    """Return the process that works on the job: the busiest `run_job` of this installation."""
    below = [
        process
        for process in product.family()
        if "run_job" in " ".join(process.cmdline()) and process.status() != psutil.STATUS_ZOMBIE
    ]
    jobs_dir = str(product.data_dir / "jobs" / str(job))
    working = [p for p in below if any(f.path.startswith(jobs_dir) for f in p.open_files())]
    return (working or sorted(below, key=lambda one: sum(one.cpu_times()[:2])))[-1]


def csv(header: list[str], rows: Any, separator: str = ",") -> bytes:
    """Return a table as bytes."""
    lines = [separator.join(header), *(separator.join(map(str, row)) for row in rows)]
    return ("\n".join(lines) + "\n").encode()


def passengers(n_rows: int = 300, seed: int = 1) -> bytes:
    """A table like a passenger list: texts, missing ages and cabins, two classes."""
    dice = random.Random(seed)
    rows = []
    for number in range(1, n_rows + 1):
        sex = dice.choice(["male", "female"])
        rows.append([
            number, int(dice.random() < (0.75 if sex == "female" else 0.2)), dice.randint(1, 3),
            f'"Person {number}, Mx. {dice.choice("ABCDE")}"', sex,
            "" if dice.random() < 0.2 else round(dice.uniform(1, 80), 1),
            round(dice.expovariate(0.03), 2), "" if dice.random() < 0.77 else f"C{number % 90}",
        ])  # fmt: skip
    return csv(["id", "survived", "class", "name", "sex", "age", "fare", "cabin"], rows)


def hills(n_rows: int = 400, seed: int = 2) -> bytes:
    """A regression table."""
    dice = random.Random(seed)
    rows = []
    for _ in range(n_rows):
        x, z = round(dice.random(), 4), round(dice.random(), 4)
        rows.append([x, z, dice.choice("pqr"), round(3 * x - 2 * z + dice.gauss(0, 0.1), 4)])
    return csv(["x", "z", "kind", "height"], rows)


def koi_file() -> bytes | None:
    """Return the real table of Kepler objects, None where it is not."""
    path = ROOT.parent / "shared" / "data" / "nasa_kepler_koi.csv"
    return path.read_bytes() if path.exists() else None
