"""Time of searches among 10,000 and 100,000 runs, measured at the function, without HTTP.

Fills a throw-away database (SQLite, or with --postgresql URL a new database beside the named one),
half of its runs in one experiment, and asks each search many times in turn. Runs have 4 metrics,
3 params and 3 tags, drawn from a fixed seed.
CPU is that of the calling thread: with SQLite all of it, and steadier than time on a busy machine.
Goals on SQLite: 3 clauses and an order by a metric among 500 runs at most 1 ms; at 100,000 runs the
first page of an experiment at most 5 ms, a selective search at most 200 ms.

usage: python benchmarks/tracking/search_at_scale.py [--runs 10000 100000] [--rounds 15] [--plans]
           [--postgresql postgresql://postgres@127.0.0.1:5432]
"""

import argparse
import os
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

SMALL = 500
BASE_MS = 1_700_000_000_000
HEX = "0123456789abcdef"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--runs", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--postgresql", default="", help="server to make a throw-away database on")
    parser.add_argument("--plans", action="store_true", help="print the plan of each statement")
    options = parser.parse_args()
    for n_runs in options.runs:
        with tempfile.TemporaryDirectory(prefix="search-at-scale-") as folder:
            measure_apart(n_runs, folder, options)


def measure_apart(n_runs: int, folder: str, options: argparse.Namespace) -> None:
    """Measure in a child process: one installation is set up once per process."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            with database(folder, options.postgresql):
                measure(n_runs, options)
            status = 0
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
    if os.waitpid(child, 0)[1] != 0:
        sys.exit(1)


class database:  # noqa: N801
    """A throw-away database, which is the product's for the time being."""

    def __init__(self, folder: str, server: str) -> None:
        self._server = server
        self._name = f"search_at_scale_{os.getpid()}"
        os.environ["DATA_DIR"] = folder
        os.environ["DJANGO_SETTINGS_MODULE"] = "platform_site.settings"
        os.environ["DATABASE_URL"] = f"{server}/{self._name}" if server else ""

    def __enter__(self) -> None:
        self._on_server(f"CREATE DATABASE {self._name}")
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)

    def __exit__(self, *error: object) -> None:
        from django.db import connections

        connections.close_all()
        self._on_server(f"DROP DATABASE {self._name} WITH (FORCE)")

    def _on_server(self, sql: str) -> None:
        if self._server:
            import psycopg

            with psycopg.connect(f"{self._server}/postgres", autocommit=True) as server:
                server.execute(sql)


def measure(n_runs: int, options: argparse.Namespace) -> None:
    from experiments.tracking.database import Database

    db = Database.open()
    began = time.perf_counter()
    world = World(db, n_runs)
    print(f"\n{db.dialect}, {n_runs:,} runs, filled in {time.perf_counter() - began:.0f} s")
    cases = searches(world)
    if options.plans:
        show_plans(db, cases)
    took: dict[str, list[float]] = {name: [] for name in cases}
    used: dict[str, list[float]] = {name: [] for name in cases}
    found: dict[str, int] = {}
    for number in range(options.rounds + 1):
        for name, ask in cases.items():
            start, start_cpu = time.perf_counter(), time.thread_time()
            found[name] = ask(db)
            if number:  # the first round warms caches and prepares statements
                took[name].append((time.perf_counter() - start) * 1000)
                used[name].append((time.thread_time() - start_cpu) * 1000)
    print(f"{'search':58} {'rows':>6} {'median ms':>10} {'worst ms':>9} {'CPU ms':>7}")
    for name, times in took.items():
        print(
            f"{name:58} {found[name]:6} {statistics.median(times):10.2f} {max(times):9.2f}"
            f" {statistics.median(used[name]):7.2f}"
        )


class World:
    """Runs of several experiments of one project, written straight into the tables."""

    def __init__(self, db, n_runs: int) -> None:
        from experiments.models import Experiment
        from platform_site.core.clock import now
        from tests.people import person, project_of

        self.alice = person("alice")
        self.project = project_of((self.alice, "administrator"))
        moment = now()
        self.large, self.small, *self.others = (
            Experiment.objects.create(
                project=self.project, name=name, created_at=moment, updated_at=moment
            ).pk
            for name in ("large", "small", *(f"other {number}" for number in range(20)))
        )
        self._random = random.Random(7)
        self._write(db, n_runs)
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
        connection.close()

    def _write(self, db, n_runs: int) -> None:
        from experiments.models import Key
        from platform_site.core.clock import now

        names = [
            "loss",
            "accuracy",
            "val loss",
            "epoch",
            "lr",
            "optimizer",
            "seed",
            "team",
            "note",
            "rare",
        ]
        self.keys = {name: Key.objects.create(name=name).pk for name in names}
        stamp = db.moment(now())
        for start in range(0, n_runs, 5000):
            numbers = range(start + 1, min(start + 5000, n_runs) + 1)
            with db.transaction():
                self._write_runs(db, numbers, stamp)

    def _experiment_of(self, number: int) -> int:
        if number <= SMALL:
            return self.small
        return self.large if number % 2 else self.others[number % len(self.others)]

    def _write_runs(self, db, numbers: range, stamp) -> None:
        pick = self._random
        runs, metrics, params, tags = [], [], [], []
        for number in numbers:
            uuid = "".join(pick.choices(HEX, k=32))
            status = pick.choice(["completed"] * 8 + ["failed", "running"])
            begun = BASE_MS + number * 1000 + pick.randrange(100_000)
            runs.append((number, uuid, self.project.pk, self._experiment_of(number), f"run-{number}",
                         status, begun, begun + 60_000, self.alice.pk, stamp))  # fmt: skip
            for key, value in (("loss", pick.random()), ("accuracy", pick.random()),
                               ("val loss", pick.gauss(0, 1)), ("epoch", number % 50)):  # fmt: skip
                if key != "val loss" or number % 5:
                    is_nan = key == "loss" and number % 97 == 0
                    metrics.append(
                        (number, self.keys[key], 0.0 if is_nan else float(value), is_nan)
                    )
            params += [
                (number, self.keys["lr"], str(pick.choice([0.1, 0.01, 0.001]))),
                (number, self.keys["optimizer"], pick.choice(["Adam", "SGD", "RMSprop", "AdamW"])),
                (number, self.keys["seed"], str(pick.randrange(1000))),
            ]
            tags += [
                (number, self.keys["team"], pick.choice(["sky", "sea", "land"])),
                (number, self.keys["note"], f"note {pick.randrange(100_000)}"),
            ]
            if number % 1000 == 1:
                tags.append((number, self.keys["rare"], "yes"))
        db.insert(
            "INSERT INTO experiments_run (id, uuid, project_id, experiment_id, name, kind, status,"
            " model_type, task, target, spec, spec_digest, code_version, environment, host,"
            " register_as, headline_metric, notes, user_name, lifecycle, start_ms, end_ms, version,"
            " tail_points, dirty, folded_tail, created_by_id, created_at)",
            "(?, ?, ?, ?, ?, 'tracked', ?, '', '', '', '{}', '', '', '{}', '', '', '', '[]', 'alice',"
            " 'active', ?, ?, 1, 0, 0, 0, ?, ?)",
            "", runs,
        )  # fmt: skip
        head = "(run_id, key_id, step, timestamp_ms, value, is_nan)"
        db.insert(f"INSERT INTO experiments_latestmetric {head}", "(?, ?, 0, 0, ?, ?)", "", metrics)
        for table, rows in (("runparam", params), ("runtag", tags)):
            head = f"INSERT INTO experiments_{table} (run_id, key_id, value)"
            db.insert(head, "(?, ?, ?)", "", rows)


def searches(world: World) -> dict:
    """Return title → function that searches and returns the number of rows."""
    from experiments.tracking.search.columns import keys_in_use, values_for
    from experiments.tracking.search.experiments import search_experiments
    from experiments.tracking.search.runs import search_runs

    projects = [world.project.pk]
    three = "params.lr = '0.1' AND metrics.loss < 0.5 AND tags.team = 'sky'"

    def runs(experiments, text="", order=(), max_results=50, page=1):
        def ask(db):
            token, rows = None, []
            for _ in range(page):
                rows, token = search_runs(
                    db, projects, experiments, text, order, "ACTIVE_ONLY", max_results, token
                )
            return len(rows)

        return ask

    def values(db):
        rows, _ = search_runs(db, projects, [world.large], max_results=100)
        values_for(db, [row.id for row in rows])
        return len(rows)

    small, large, all_of_them = (
        [world.small],
        [world.large],
        [world.large, world.small, *world.others],
    )
    return {
        "500: 3 clauses, order by a metric": runs(small, three, ["metrics.loss"]),
        "500: newest 100": runs(small, max_results=100),
        "newest 100": runs(large, max_results=100),
        "newest 1000": runs(large, max_results=1000),
        "newest 100, 20 pages": runs(large, max_results=100, page=20),
        "newest 100 of 22 experiments": runs(all_of_them, max_results=100),
        "newest 100 of the project": runs(None, max_results=100),
        "3 clauses, order by a metric": runs(large, three, ["metrics.loss"]),
        "3 clauses, newest": runs(large, three),
        "3 clauses, project, order by a metric": runs(None, three, ["metrics.loss"]),
        "selective: metrics.loss > 0.999": runs(large, "metrics.loss > 0.999"),
        "selective: tags.rare = 'yes'": runs(large, "tags.rare = 'yes'"),
        "selective: tags.note = 'note 4711'": runs(large, "tags.note = 'note 4711'"),
        "selective: tags.note LIKE '%4711'": runs(large, "tags.note LIKE '%4711'"),
        "selective: tags.note ILIKE 'NOTE 4711%'": runs(large, "tags.note ILIKE 'NOTE 4711%'"),
        "nothing: params.lr = 'x'": runs(large, "params.lr = 'x'"),
        "nothing: unknown key": runs(large, "params.unknown = 'x'"),
        "absent: tags.rare IS NULL": runs(large, "tags.rare IS NULL"),
        "order by a metric": runs(large, order=["metrics.loss"]),
        "order by a metric DESC, 3rd page": runs(large, order=["metrics.loss DESC"], page=3),
        "order by a param": runs(large, order=["params.seed"]),
        "order by run_name": runs(large, order=["run_name"]),
        "order by end_time DESC": runs(large, order=["end_time DESC"]),
        "status = 'FAILED'": runs(large, "status = 'FAILED'"),
        "run_name LIKE 'run-77%'": runs(large, "run_name LIKE 'run-77%'"),
        "start_time > …": runs(large, f"start_time > {BASE_MS + 5_000_000}"),
        "experiments, all": lambda db: len(search_experiments(db, projects)[0]),
        "keys in use": lambda db: len(keys_in_use(db, projects, large).metrics),
        "newest 100 with all values": values,
    }


def show_plans(db, cases: dict) -> None:
    """Print the plan of every statement that the searches run."""
    for name, ask in cases.items():
        print(f"\n== {name}")
        ask(Explaining(db))


class Explaining:
    """A database that prints the plan of what it is asked."""

    def __init__(self, db) -> None:
        self._db = db
        self.dialect = db.dialect

    def rows(self, sql: str, params=()):
        explain = "EXPLAIN QUERY PLAN " if self.dialect == "sqlite" else "EXPLAIN ANALYZE "
        print("--", sql[:3000])
        for row in self._db.rows(explain + sql, params):
            print("     ", row[-1])
        return self._db.rows(sql, params)

    rows_planned = rows

    def rows_in(self, sql: str, values, *more):
        return self._db.rows_in(sql, values, *more)


if __name__ == "__main__":
    main()
