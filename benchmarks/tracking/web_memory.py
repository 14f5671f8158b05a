"""Memory of the web process while 20 users log, read and search. Goal: at most 120 MiB.

usage: python -m benchmarks.tracking.web_memory [--rounds 50] [--users 20] [--port 8392]
"""

import argparse
import sys
import tempfile
import threading
from pathlib import Path

import psutil

from benchmarks.tracking.client import Stage, drive, operations
from benchmarks.tracking.servers import Ours
from tests.probe.product import pss_mib

GOAL_MIB = 120.0


def watch(pid: int, stop: threading.Event, seen: list[tuple[float, float]]) -> None:
    """Note resident and proportional memory five times a second."""
    process = psutil.Process(pid)
    while not stop.wait(0.2):
        seen.append((process.memory_info().rss / 2**20, pss_mib(pid)))


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--users", type=int, default=20)
    parser.add_argument("--port", type=int, default=8392)
    options = parser.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory(prefix="assay-bench-") as scratch:
        server = Ours(Path(scratch), options.port)
        try:
            stage = Stage(server.base_url, server.token, options.users, 20_000, 500)
            stage.set_up()
            stop, seen = threading.Event(), []
            pid = server.product.children()["web"]
            watcher = threading.Thread(target=watch, args=(pid, stop, seen))
            watcher.start()
            for name, (_, make) in operations(stage).items():
                first = len(seen)
                measured = drive(stage, options.rounds, make)
                failed += len(measured.errors)
                peak = max((rss for rss, _ in seen[first:]), default=0.0)
                print(
                    f"{name:20} {measured.per_s:9,.0f} requests/s, resident at most {peak:6.1f} MiB"
                )
            stop.set()
            watcher.join()
        finally:
            server.close()
    resident, proportional = max(rss for rss, _ in seen), max(pss for _, pss in seen)
    print(f"web process: resident at most {resident:.1f} MiB, proportional {proportional:.1f} MiB "
          f"(goal {GOAL_MIB:.0f}); {failed} requests failed")  # fmt: skip
    return 0 if resident <= GOAL_MIB and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
