"""Requests per second and CPU time of the tracking server beside MLflow's and FastTrackML.

Every pass starts each server on a fresh SQLite database, brings in equal data, runs every operation
with 20 users, and ends it; the order changes from pass to pass. Printed are medians over passes: of
rates, of CPU ms per request (the server's whole process tree), of the ratios within a pass.
The exit status is 1 when a request failed or a goal was missed.

MLFLOW3_PYTHON names the python of an environment with mlflow 3.17, FASTTRACKML the program `fml`;
what is not named is not compared.

usage: python -m benchmarks.tracking.compare [--passes 5] [--rounds 20] [--users 20]
       [--only log-batch-1000,get-run] [--search-runs 500] [--history-points 20000] [--quick]
       [--port 8390] [--json FILE]
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.tracking.client import Stage, drive, operations
from benchmarks.tracking.servers import FastTrackML, MLflow, Ours

# Ratio of rates that a user was promised: against MLflow's server, against FastTrackML.
GOALS = {
    "create-run": (40, 2), "log-metric": (35, 2.5), "get-run": (20, 1.3),
    "metric-history": (15, 3), "search-runs": (10, 2), "list-runs-100": (80, 8),
    "search-experiments": (12, 1), "log-batch-40": (40, 4), "log-batch-400": (100, 8),
    "log-batch-1000": (100, 12), "log-params-100": (20, 6),
}  # fmt: skip

# An answer with 20,000 points takes long everywhere; what is quick needs more requests to be timed.
SHARE = {
    "metric-history": 0.1, "create-run": 3, "log-metric": 3, "get-run": 5, "search-experiments": 5,
    "log-batch-40": 3, "search-runs": 2,
}  # fmt: skip


def one_pass(server, options: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Return what every operation took on a fresh server."""
    stage = Stage(
        server.base_url, server.token, options.users, options.history_points, options.search_runs
    )
    began = time.perf_counter()
    stage.set_up()
    print(f"  {server.name}: data in {time.perf_counter() - began:.1f} s", flush=True)
    results = {}
    for name, (_, make) in operations(stage).items():
        if options.only and name not in options.only.split(","):
            continue
        rounds = max(1, round(options.rounds * server.rounds * SHARE.get(name, 1)))
        drive(stage, 1, make)  # warm
        cpu_s = server.tree.cpu_s()
        measured = drive(stage, rounds, make)
        used_s = server.tree.cpu_s() - cpu_s
        if measured.errors:
            print(f"  {server.name} {name}: {len(measured.errors)} failed: {measured.errors[0]}")
        results[name] = {
            "per_s": measured.per_s, "cpu_ms": 1e3 * used_s / measured.requests,
            "p50_ms": measured.p50_ms, "p99_ms": measured.p99_ms, "errors": len(measured.errors),
        }  # fmt: skip
    results["memory"] = {"mib": server.tree.memory_mib()}
    return results


def start(kind: str, folder: Path, port: int):
    if kind == "assay":
        return Ours(folder, port)
    if kind == "mlflow":
        return MLflow(os.environ["MLFLOW3_PYTHON"], folder, port)
    return FastTrackML(os.environ["FASTTRACKML"], folder, port)


def median(passes: list[dict], kind: str, name: str, what: str) -> float:
    return statistics.median(one[kind][name][what] for one in passes)


def ratios(passes: list[dict], other: str, name: str) -> list[float]:
    return sorted(one["assay"][name]["per_s"] / one[other][name]["per_s"] for one in passes)


def table(passes: list[dict], kinds: list[str]) -> bool:
    """Print the figures; return whether every goal was met."""
    names = [name for name in passes[0]["assay"] if name != "memory"]
    others = [kind for kind in kinds if kind != "assay"]
    print(f"\nmedians of {len(passes)} passes; requests/s (CPU ms per request)")
    print(f"{'':20}" + "".join(f"{kind:>20}" for kind in kinds)
          + "".join(f"{'ratio to ' + kind:>38}" for kind in others))  # fmt: skip
    good = True
    for name in names:
        line = f"{name:20}"
        for kind in kinds:
            per_s, cpu = median(passes, kind, name, "per_s"), median(passes, kind, name, "cpu_ms")
            line += f"{f'{per_s:,.0f} ({cpu:.2f})':>20}"
        for other in others:
            found = ratios(passes, other, name)
            goal = GOALS[name][0 if other == "mlflow" else 1]
            middle = statistics.median(found)
            met = middle >= goal
            good &= met
            text = f"{middle:.1f} ({found[0]:.1f}-{found[-1]:.1f}), goal {goal}: "
            line += f"{text + ('met' if met else 'MISSED'):>38}"
        print(line)
    memory = ", ".join(f"{kind} {median(passes, kind, 'memory', 'mib'):,.0f}" for kind in kinds)
    print(f"memory of the whole tree after a pass, MiB: {memory}")
    errors = sum(
        int(one[kind][name]["errors"]) for one in passes for kind in kinds for name in names
    )
    print(f"failed requests: {errors}")
    return good and not errors


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--passes", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--users", type=int, default=20)
    parser.add_argument("--history-points", type=int, default=20_000)
    parser.add_argument("--search-runs", type=int, default=500)
    parser.add_argument("--only")
    parser.add_argument("--servers", default="assay,mlflow,fasttrackml")
    parser.add_argument("--quick", action="store_true", help="one short pass, to see that it works")
    parser.add_argument("--port", type=int, default=8390)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.quick:
        options.passes, options.rounds, options.search_runs = 1, 5, 50
    variables = {"mlflow": "MLFLOW3_PYTHON", "fasttrackml": "FASTTRACKML"}
    kinds = []
    for kind in options.servers.split(","):
        if kind in variables and variables[kind] not in os.environ:
            print(f"{kind} is not compared: {variables[kind]} is not set")
        else:
            kinds.append(kind)
    passes: list[dict] = []
    with tempfile.TemporaryDirectory(prefix="assay-bench-") as scratch:
        for number in range(options.passes):
            print(f"pass {number + 1} of {options.passes}", flush=True)
            shift = number % len(kinds)
            found = {}
            for kind in kinds[shift:] + kinds[:shift]:
                folder = Path(scratch) / f"{number}-{kind}"
                folder.mkdir()
                server = start(kind, folder, options.port)
                try:
                    found[kind] = one_pass(server, options)
                finally:
                    server.close()
            passes.append(found)
    if options.json:
        options.json.write_text(json.dumps(passes, indent=1))
    return 0 if table(passes, kinds) else 1


if __name__ == "__main__":
    sys.exit(main())
