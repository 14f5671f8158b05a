"""CPU and bytes per metric point while a store grows: is the last million as cheap as the first?

Writes batches of 1,000 new points (40 runs, 100 metrics each) through the writer in groups of
eight, folds every 20th group and compacts what is due, as web process and worker do, in one
process. Goals: at most 30 bytes a point at the end; the writer's CPU per point grows by less than
a quarter after the first million.

usage: python benchmarks/tracking/growth.py [--points 10000000] [--out growth.json]
"""

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

RUNS, KEYS, BATCH, GROUP = 40, 100, 1000, 8
FOLD_EVERY_GROUPS = 20
STEPS_PER_BATCH = BATCH // KEYS
GOAL_BYTES, GOAL_GROWTH = 30.0, 1.25


class Store:
    """A fresh installation with some runs."""

    def __init__(self) -> None:
        from django.core.management import call_command

        from experiments.tracking.committing import Committer
        from experiments.tracking.operations import CreateRun
        from platform_site.accounts.callers import Caller
        from tests.experiments.tracking_help import experiment_of
        from tests.people import person, project_of

        call_command("migrate", verbosity=0)
        alice = person("alice")
        experiment = experiment_of(project_of((alice, "editor")))
        self.caller = Caller(user_id=alice.pk, username="alice", is_superuser=True)
        self.committer = Committer()
        made = self.committer.run([CreateRun(experiment.pk, self.caller) for _ in range(RUNS)])
        self.runs = [one.row for one in made]
        self.draw = random.Random(1)
        self.n_batches = Counter()
        self.cpu_s = Counter()

    @contextmanager
    def measured(self, what: str) -> Iterator[None]:
        began_s = time.process_time()
        yield
        self.cpu_s[what] += time.process_time() - began_s

    def batch(self, number: int):
        from experiments.tracking.operations import LogBatch

        run = self.runs[number % RUNS]
        first = self.n_batches[run.id] * STEPS_PER_BATCH
        self.n_batches[run.id] += 1
        metrics = [
            (f"metric_{key}", first + n, 1_700_000_000_000 + first + n, self.draw.random())
            for n in range(STEPS_PER_BATCH)
            for key in range(KEYS)
        ]
        return LogBatch(run.uuid, self.caller, metrics=metrics)

    def write(self, number: int) -> None:
        group = [self.batch(number * GROUP + n) for n in range(GROUP)]
        with self.measured("write"):
            answers = self.committer.run(group)
        assert answers == [None] * GROUP, answers
        if number % FOLD_EVERY_GROUPS == 0:
            self.fold()

    def fold(self) -> None:
        from experiments.tracking.folding import fold_dirty

        with self.measured("fold"):
            fold_dirty(limit=RUNS)

    def compact(self) -> None:
        from experiments.tasks.tracking import compact_run
        from experiments.tracking.compacting import due_runs
        from experiments.tracking.database import Database

        with self.measured("compact"):
            for run_id in due_runs(Database.of_django(), RUNS):
                compact_run(run_id, in_transaction)

    def size_bytes(self) -> int:
        from django.db import connection

        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute("SELECT pg_database_size(current_database())")
                return int(cursor.fetchone()[0])
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return Path(connection.settings_dict["NAME"]).stat().st_size


def in_transaction(step: Callable[[], None]) -> None:
    from platform_site.core.transactions import write_transaction

    with write_transaction():
        step()


def grow(n_points: int) -> list[dict[str, float]]:
    store = Store()
    empty_bytes = store.size_bytes()
    slices = []
    per_slice = min(1_000_000, n_points)
    groups = per_slice // (GROUP * BATCH)
    for number in range(n_points // per_slice):
        store.cpu_s.clear()
        began_s = time.perf_counter()
        for group in range(groups):
            store.write(number * groups + group)
            if group % (5 * FOLD_EVERY_GROUPS) == 0:
                store.compact()
        wall_s = time.perf_counter() - began_s
        written = groups * GROUP * BATCH
        total = written * (number + 1)
        row = {
            "points": total,
            "write_us": store.cpu_s["write"] / written * 1e6,
            "fold_us": store.cpu_s["fold"] / written * 1e6,
            "compact_us": store.cpu_s["compact"] / written * 1e6,
            "points_per_s": written / wall_s,
            "bytes": (store.size_bytes() - empty_bytes) / total,
        }
        slices.append(row)
        print("  ".join(f"{name} {value:,.2f}" for name, value in row.items()), flush=True)
    return slices


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=10_000_000)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="assay-growth-") as data_dir:
        os.environ["DATA_DIR"] = data_dir
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "platform_site.settings")
        import django

        django.setup()
        slices = grow(options.points)
    cpu_us = [row["write_us"] + row["fold_us"] for row in slices]
    later = cpu_us[1:] or cpu_us
    result = {
        "slices": slices,
        "bytes_per_point": slices[-1]["bytes"],
        "growth": sum(later) / len(later) / cpu_us[0],
    }
    met = result["bytes_per_point"] <= GOAL_BYTES and result["growth"] < GOAL_GROWTH
    print(f"{result['bytes_per_point']:.1f} bytes a point, CPU of the later millions "
          f"{result['growth']:.2f} x the first: {'met' if met else 'MISSED'}")  # fmt: skip
    if options.out:
        options.out.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
