"""Searches of runs and experiments against the database."""

import pytest
from django.db import connection

from experiments.tracking.database import Database
from experiments.tracking.search.experiments import search_experiments
from experiments.tracking.search.runs import search_runs
from tests.experiments.search_help import experiment_of, run_of


def names(people, experiment, text=None, order_by=(), **more):
    rows, _ = search_runs(
        Database.of_django(), [people.project.pk], [experiment.pk], text, order_by, **more
    )
    return [row.name for row in rows]


def test_clauses_and_order_choose_runs(people):
    experiment = experiment_of(people.project)
    run_of(experiment, people.alice, name="a", metrics={"loss": 0.5}, params={"lr": "0.1"})
    run_of(experiment, people.alice, name="b", metrics={"loss": 0.2}, params={"lr": "0.1"})
    run_of(experiment, people.alice, name="c", metrics={"loss": None}, params={"lr": "0.1"})
    run_of(experiment, people.alice, name="d", params={"lr": "0.1"}, tags={"mlflow.user": "Al"})
    run_of(experiment, people.alice, name="e", params={"lr": "0.2"}, datasets=[("iris", "x", "")])
    assert names(people, experiment, "params.lr = '0.1'", ["metrics.loss"]) == ["b", "a", "c", "d"]
    order = ["metrics.loss DESC"]
    assert names(people, experiment, "params.lr = '0.1'", order) == ["a", "b", "c", "d"]
    assert names(people, experiment, "metrics.loss > 0.3 AND params.lr LIKE '0%'") == ["a"]
    assert names(people, experiment, "tags.`mlflow.user` ILIKE 'AL'") == ["d"]
    assert names(people, experiment, "dataset.name = 'iris'") == ["e"]
    assert names(people, experiment, "metrics.nothing = 1") == []
    assert len(names(people, experiment, "status = 'FINISHED'")) == 5


def test_a_caller_sees_the_runs_of_named_projects_only(people):
    experiment = experiment_of(people.project)
    run_of(experiment, people.alice)
    db = Database.of_django()
    assert search_runs(db, [], [experiment.pk]) == ([], None)
    assert search_runs(db, [people.project.pk + 1], [experiment.pk]) == ([], None)
    assert len(search_runs(db, [people.project.pk], None)[0]) == 1


def test_experiments_are_found_by_name_tag_and_time(people):
    experiment_of(people.project, "alpha", tags={"team": "sky"})
    beta = experiment_of(people.project, "beta")
    db = Database.of_django()

    def found(text, **more):
        return [row.name for row in search_experiments(db, [people.project.pk], text, **more)[0]]

    assert found("name LIKE 'al%'") == ["alpha"]
    assert found("tags.team = 'sky'") == ["alpha"]
    assert found("tag.team IS NULL") == ["beta"]
    assert found(f"experiment_id = '{beta.pk}'") == ["beta"]
    assert found("creation_time > 0", order_by=["name"]) == ["alpha", "beta"]
    assert found("creation_time < 0") == []


class Explaining:
    """A connection that keeps the plan of each search."""

    def __init__(self, db):
        self.dialect = db.dialect
        self.rows = db.rows
        self.rows_in = db.rows_in
        self._db = db
        self.plans = []

    def rows_planned(self, sql, params):
        explain = "EXPLAIN QUERY PLAN " if self.dialect == "sqlite" else "EXPLAIN "
        plan = self._db.rows(explain + sql, params)
        self.plans.append("\n".join(row[-1] for row in plan))
        return self._db.rows(sql, params)


@pytest.mark.parametrize("is_of_experiment", [True, False])
def test_newest_runs_are_read_from_an_index_in_their_order(people, is_of_experiment):
    experiment = experiment_of(people.project)
    for number in range(30):
        run_of(experiment, people.alice, start_ms=number)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:  # small tables are not worth an index otherwise
            cursor.execute("ANALYZE experiments_run; SET LOCAL enable_seqscan = off;")
            cursor.execute("SET LOCAL enable_sort = off; SET LOCAL enable_bitmapscan = off;")
    db = Explaining(Database.of_django())
    scope = [experiment.pk] if is_of_experiment else None
    _, token = search_runs(db, [people.project.pk], scope, max_results=10)
    search_runs(db, [people.project.pk], scope, max_results=10, page_token=token)
    first, second = db.plans
    index = "run_of_experiment" if is_of_experiment else "run_of_project"
    for plan in (first, second):
        assert index in plan
        assert "TEMP B-TREE" not in plan
        assert "Sort" not in plan
    # The next page begins to read at its place.
    assert "<expr><?" in second or "<= '" in second
