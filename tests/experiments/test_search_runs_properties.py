"""Searches of runs find what plain Python finds, in the same order, page by page."""

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from experiments.models import Run
from experiments.tracking.database import Database
from experiments.tracking.search.runs import search_runs
from tests.experiments.search_help import experiment_of, run_of
from tests.experiments.search_reference import (
    attribute_clauses,
    dataset_clauses,
    in_order,
    label_clauses,
    metric_clauses,
    moment_clauses,
    orders,
    random_run,
)

N_RUNS = 40
VIEWS = {"ACTIVE_ONLY": {"active"}, "DELETED_ONLY": {"deleted"}, "ALL": {"active", "deleted"}}


@pytest.fixture
def world(people):
    def fill(seed):
        pick = random.Random(seed)
        places = [
            experiment_of(people.project),
            experiment_of(people.project, asked_location="s3://b/x"),
        ]
        runs = []
        for number in range(N_RUNS):
            experiment = places[number % 2]
            run = random_run(pick, number, experiment.pk, experiment.artifact_location)
            run_of(
                experiment, people.alice, uuid=run.uuid, name=run.name, status=run.status,
                user_name=run.user_name, start_ms=run.start_ms, end_ms=run.end_ms,
                lifecycle=run.lifecycle, metrics=run.metrics, params=run.params, tags=run.tags,
                datasets=run.datasets,
            )  # fmt: skip
            runs.append(run)
        return [place.pk for place in places], runs

    return fill


@pytest.mark.parametrize("seed", [1, 2])
def test_a_search_agrees_with_plain_python(people, world, seed):
    experiment_ids, runs = world(seed)
    db = Database.of_django()
    clauses = st.lists(
        st.one_of(
            metric_clauses(), label_clauses("param"), label_clauses("tag"), moment_clauses(),
            attribute_clauses([run.uuid for run in runs[:5]]), dataset_clauses(),
        ),
        max_size=3,
    )  # fmt: skip
    chosen_orders = st.lists(orders(), max_size=3, unique_by=lambda order: order[1])

    @settings(
        max_examples=60, deadline=None, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(
        clauses=clauses, order=chosen_orders, view=st.sampled_from(sorted(VIEWS)),
        scope=st.sampled_from([None, experiment_ids, experiment_ids[:1]]),
        limit=st.sampled_from([2, 7, 100]),
    )  # fmt: skip
    def agree(clauses, order, view, scope, limit):
        text = " AND ".join(clause for clause, _ in clauses)
        expected = in_order(
            [
                run for run in runs
                if run.lifecycle in VIEWS[view]
                and (scope is None or run.experiment_id in scope)
                and all(holds(run) for _, holds in clauses)
            ],
            order,
        )  # fmt: skip
        found, token, pages = [], None, 0
        while pages == 0 or token:
            rows, token = search_runs(
                db, [people.project.pk], scope, text, [one[0] for one in order], view, limit, token
            )
            found += [row.uuid for row in rows]
            pages += 1
            assert pages <= N_RUNS, "pages without end"
            assert len(rows) == limit or not token
        assert found == [run.uuid for run in expected]

    agree()
    assert Run.objects.count() == N_RUNS
