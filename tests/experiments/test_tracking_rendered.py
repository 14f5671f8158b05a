"""What runs logged, as JSON: every acknowledged point, each change, no query per run."""

import json
import math

import pytest

from experiments.models import Run
from experiments.services.run_control import edit_run
from experiments.tracking.database import Database
from experiments.tracking.folding import fold
from experiments.tracking.operations import DeleteTag, LogBatch, UpdateRun
from experiments.tracking.rendered import _Cache, run_data_json
from experiments.tracking.rows import RUN_COLUMNS, RUN_TABLES, RunRow
from tests.experiments.tracking_help import caller, new_run, write

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice(people):
    return caller(people.alice)


@pytest.fixture
def run(people):
    return new_run(people.alice, people.project, name="first")


def rows_of(*runs) -> list[RunRow]:
    sql = f"SELECT {RUN_COLUMNS} FROM {RUN_TABLES} WHERE r.id IN (??)"
    found = Database.of_django().rows_in(sql, [run.pk for run in runs])
    return [RunRow._make(row) for row in found]


def rendered(*runs) -> list[dict]:
    found = run_data_json(Database.of_django(), rows_of(*runs))
    return [json.loads(b"{" + found[run.pk] + b"}") for run in runs]


def test_points_params_and_tags_are_shown_with_the_name_as_a_tag(alice, run):
    write(
        LogBatch(
            run.uuid,
            alice,
            metrics=[("b", 1, 7, math.nan), ("a", 2, 8, math.inf), ("a", 1, 9, 5.0)],
            params=[("p", "")],
            tags=[("t", 'é\n"')],
        )
    )
    (shown,) = rendered(run)
    assert shown == {
        "data": {
            "metrics": [
                {"key": "a", "value": 1.7976931348623157e308, "timestamp": 8, "step": 2},
                {"key": "b", "value": "NaN", "timestamp": 7, "step": 1},
            ],
            "params": [{"key": "p", "value": ""}],
            "tags": [{"key": "mlflow.runName", "value": "first"}, {"key": "t", "value": 'é\n"'}],
        },
        "inputs": {},
        "outputs": {},
    }


def test_a_fold_changes_nothing_of_what_is_shown(alice, run):
    write(LogBatch(run.uuid, alice, metrics=[("a", 2, 8, 1.0), ("b", 1, 1, 1.0)]))
    fold(Database.of_django(), [run.pk])
    write(LogBatch(run.uuid, alice, metrics=[("a", 1, 99, 7.0), ("b", 1, 2, 3.0)]))
    (before,) = rendered(run)
    fold(Database.of_django(), [run.pk])
    Run.objects.filter(pk=run.pk).update(version=100)
    assert rendered(run) == [before]
    assert [(one["key"], one["value"]) for one in before["data"]["metrics"]] == [
        ("a", 1.0),
        ("b", 3.0),
    ]


def test_every_kind_of_write_is_seen_at_once(alice, run):
    write(LogBatch(run.uuid, alice, tags=[("t", "1")]))
    assert {"key": "t", "value": "1"} in rendered(run)[0]["data"]["tags"]
    write(DeleteTag(run.uuid, alice, "t"))
    write(UpdateRun(run.uuid, alice, name="second"))
    assert rendered(run)[0]["data"]["tags"] == [{"key": "mlflow.runName", "value": "second"}]


def test_a_name_given_on_the_pages_is_seen_at_once(run):
    assert rendered(run)[0]["data"]["tags"] == [{"key": "mlflow.runName", "value": "first"}]
    edit_run(run=run, name="third")
    assert rendered(run)[0]["data"]["tags"] == [{"key": "mlflow.runName", "value": "third"}]
    assert Run.objects.get(pk=run.pk).dirty & Run.Dirty.LABELS


def test_queries_do_not_grow_with_the_runs_and_vanish_when_nothing_changed(people, alice):
    runs = [new_run(people.alice, people.project) for _ in range(30)]
    for one in runs:
        write(LogBatch(one.uuid, alice, metrics=[("m", 1, 1, 1.0)], params=[("p", "1")]))
    rows = rows_of(*runs)
    db = Counting(Database.of_django())
    first = run_data_json(db, rows)
    assert db.n_queries <= 8
    db.n_queries = 0
    assert run_data_json(db, rows) == first
    assert db.n_queries == 0


class Counting:
    """A database that counts."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.n_queries = 0

    def rows_in(self, sql, values, *more):
        self.n_queries += 1
        return self.db.rows_in(sql, values, *more)


def test_the_cache_stays_within_its_bytes():
    cache = _Cache(max_bytes=2_000)
    for number in range(10):
        cache.put(str(number), 1, b"x" * 600)
    assert [cache.get(str(number), 1) is not None for number in range(10)] == [False] * 8 + [
        True,
        True,
    ]
    cache.put("9", 2, b"y")
    assert cache.get("9", 3) is None
    assert cache.get("9", 1) == b"y"
