"""kill -9 under load, again and again: no acknowledged point is lost, none is there twice.

Users log batches of points to runs of their own, each step once. The server (the whole family of
processes, or the web process alone) is killed at a random moment; after the restart every point that
was acknowledged must be there, and none twice. Then each user sends its unanswered request again, as
clients do, and goes on. At the end every history holds each step exactly once.

usage: python -m benchmarks.tracking.soak [--trials 20] [--users 8] [--port 8391]
"""

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from benchmarks.tracking.client import NOW_MS, Connection
from benchmarks.tracking.servers import new_token
from tests.probe.product import Product

POINTS = 40
PAGE = 25_000


@dataclass
class User:
    """One run and what was logged to it; `pending` is the request whose answer never came."""

    run: str
    acknowledged: int = 0
    pending: bool = False
    errors: list[str] = field(default_factory=list)

    def body(self) -> bytes:
        first = self.acknowledged
        points = [
            {"key": "k", "value": step * 0.5, "timestamp": NOW_MS + step, "step": step}
            for step in range(first, first + POINTS)
        ]
        return json.dumps({"run_id": self.run, "metrics": points}).encode()

    def log(self, base_url: str, token: str, stop: threading.Event) -> None:
        """Log batch after batch until told to stop or cut off."""
        try:
            connection = Connection(base_url, token)
            while not stop.is_set():
                self.pending = True
                raw = connection.raw(("POST", "runs/log-batch", self.body()))
                status, answer = connection.exchange(raw)
                if status != 200:
                    self.errors.append(f"{status} {answer[:200]!r}")
                    return
                self.acknowledged += POINTS
                self.pending = False
        except OSError:
            return


def history(connection: Connection, run: str) -> Counter:
    """Return how often each step is there."""
    steps: Counter = Counter()
    more = ""
    while True:
        path = f"metrics/get-history?run_id={run}&metric_key=k&max_results={PAGE}{more}"
        answer = connection.json("GET", path)
        for point in answer.get("metrics", []):
            steps[point["step"]] += 1
            if point["value"] != point["step"] * 0.5:
                raise AssertionError(f"step {point['step']} has the value {point['value']}")
        if not answer.get("next_page_token"):
            return steps
        more = f"&page_token={quote(answer['next_page_token'], safe='')}"


def check(base_url: str, token: str, users: list[User]) -> tuple[int, int]:
    """Return how many acknowledged points are lost and how many are there twice."""
    connection = Connection(base_url, token)
    lost = doubled = 0
    for user in users:
        steps = history(connection, user.run)
        lost += sum(step not in steps for step in range(user.acknowledged))
        doubled += sum(count > 1 for count in steps.values())
        beyond = [step for step in steps if step >= user.acknowledged + POINTS * user.pending]
        if beyond:
            raise AssertionError(f"steps that nobody sent: {beyond[:5]}")
    connection.close()
    return lost, doubled


def kill(product: Product, *, whole: bool) -> None:
    """Kill the web process or everything, without a warning."""
    if not whole:
        os.kill(product.children()["web"], signal.SIGKILL)
        return
    for process in product.family():
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
    product.process.wait(10)


def healthy_again(product: Product) -> None:
    """Wait until a web process answers; `up` starts a new one by itself."""
    time.sleep(0.3)
    product.began_s = time.perf_counter()
    product.wait_ready()


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--users", type=int, default=8)
    parser.add_argument("--port", type=int, default=8391)
    options = parser.parse_args()
    rng = random.Random()
    lost = doubled = 0
    errors: list[str] = []
    with tempfile.TemporaryDirectory(prefix="assay-soak-") as scratch:
        data = Path(scratch) / "data"
        product = Product(data, options.port)
        try:
            product.wait_ready()
            product.wait_whole()
            token = new_token(product)
            base_url = f"http://127.0.0.1:{options.port}"
            made = Connection(base_url, token)
            users = [
                User(
                    made.json("POST", "runs/create", {"experiment_id": "0"})["run"]["info"][
                        "run_id"
                    ]
                )
                for _ in range(options.users)
            ]
            made.close()
            for trial in range(options.trials):
                stop = threading.Event()
                threads = [
                    threading.Thread(target=user.log, args=(base_url, token, stop))
                    for user in users
                ]
                for thread in threads:
                    thread.start()
                time.sleep(rng.uniform(0.2, 1.5))
                whole = trial % 2 == 1
                kill(product, whole=whole)
                for thread in threads:
                    thread.join()
                if whole:
                    product.close()
                    product = Product(data, options.port)
                healthy_again(product)
                now_lost, now_doubled = check(base_url, token, users)
                lost, doubled = lost + now_lost, doubled + now_doubled
                sent = sum(user.acknowledged for user in users)
                what = "the whole family" if whole else "the web process"
                print(
                    f"trial {trial + 1}: killed {what}; {sent:,} points acknowledged, "
                    f"{now_lost} lost, {now_doubled} doubled",
                    flush=True,
                )
            # Every unanswered request once more, then everything exactly once.
            connection = Connection(base_url, token)
            for user in users:
                if user.pending:
                    raw = connection.raw(("POST", "runs/log-batch", user.body()))
                    status, answer = connection.exchange(raw)
                    if status != 200:
                        errors.append(f"{status} {answer[:200]!r}")
                    user.acknowledged += POINTS
                    user.pending = False
                errors += user.errors
            connection.close()
            now_lost, now_doubled = check(base_url, token, users)
            lost, doubled = lost + now_lost, doubled + now_doubled
            sent = sum(user.acknowledged for user in users)
        finally:
            product.close()
    print(f"{options.trials} trials, {sent:,} points: {lost} lost, {doubled} doubled")
    for error in errors[:10]:
        print(f"refused: {error}")
    return 1 if lost or doubled or errors else 0


if __name__ == "__main__":
    sys.exit(main())
