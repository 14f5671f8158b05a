"""Idle memory of the whole product: one line per process, web process and total against the goals.

PSS counts a page that n processes share as 1/n in each, so the sum is what the product really
takes; RSS counts it n times. Linux only (needs /proc/<pid>/smaps_rollup).

usage: python benchmarks/idle_memory.py [--settle-s 30] [--port 8398]
"""

import argparse
import re
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.probe.product import Product, pss_mib

WEB_GOAL_MIB = 110.0
TOTAL_GOAL_MIB = 300.0


def rss_mib(pid: int) -> float:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Rss:\s+(\d+)", text, re.M)[1]) / 1024


def measure(product: Product) -> bool:
    web = product.children()["web"]
    rows = [
        (process.pid, " ".join(process.cmdline())[:44], rss_mib(process.pid), pss_mib(process.pid))
        for process in product.family()
    ]
    print(f"{'pid':>8}  {'process':<44} {'RSS MiB':>8} {'PSS MiB':>8}")
    for pid, name, rss, pss in rows:
        print(f"{pid:>8}  {name:<44} {rss:>8.1f} {pss:>8.1f}")
    web_rss = next(rss for pid, _, rss, _ in rows if pid == web)
    total = sum(pss for *_, pss in rows)
    good = web_rss <= WEB_GOAL_MIB and total <= TOTAL_GOAL_MIB
    print(
        f"web process: {web_rss:.1f} MiB resident, shared pages included (goal {WEB_GOAL_MIB:.0f})"
    )
    print(f"all {len(rows)} processes: {total:.1f} MiB (goal {TOTAL_GOAL_MIB:.0f})")
    print("within the goals" if good else "OVER a goal")
    return good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--settle-s", type=float, default=15.0)
    parser.add_argument("--port", type=int, default=8398)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="assay-bench-") as scratch:
        product = Product(Path(scratch) / "data", options.port)
        try:
            product.wait_ready()
            product.wait_whole()
            for path in ("/login/", "/health"):  # idle after use, not unborn
                product.get(path, timeout_s=10)
            time.sleep(options.settle_s)
            return 0 if measure(product) else 1
        finally:
            product.stop()


if __name__ == "__main__":
    sys.exit(main())
