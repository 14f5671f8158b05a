"""Start-up and stop of the whole product: first start (empty directory), then later ones.

Ready means: GET /health answers 200. The goal of a later start is 5 s.

usage: python benchmarks/startup.py [--starts 5] [--port 8399]
"""

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.probe.product import Product

READY_GOAL_S = 5.0
STOP_GOAL_S = 5.0


def once(data_dir: Path, port: int) -> tuple[float, float]:
    """Return seconds to ready, seconds to stopped."""
    product = Product(data_dir, port)
    try:
        ready_s = product.wait_ready()
        product.wait_whole()
        return ready_s, product.stop()
    finally:
        product.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--starts", type=int, default=5)
    parser.add_argument("--port", type=int, default=8399)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="assay-bench-") as scratch:
        data_dir = Path(scratch) / "data"
        first_s, _ = once(data_dir, options.port)
        later = [once(data_dir, options.port) for _ in range(options.starts)]
    ready = [ready_s for ready_s, _ in later]
    stop = [stop_s for _, stop_s in later]
    print(f"first start, database made: ready after {first_s:.2f} s")
    print(
        f"later starts ({options.starts}): median {statistics.median(ready):.2f} s, "
        f"slowest {max(ready):.2f} s (goal {READY_GOAL_S:.0f})"
    )
    print(
        f"stop by SIGTERM: median {statistics.median(stop):.2f} s, slowest {max(stop):.2f} s "
        f"(goal {STOP_GOAL_S:.0f})"
    )
    return 0 if max(ready) <= READY_GOAL_S and max(stop) <= STOP_GOAL_S else 1


if __name__ == "__main__":
    sys.exit(main())
