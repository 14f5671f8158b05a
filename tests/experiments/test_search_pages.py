"""Pages of searches: tokens belong to their query, and added rows are neither skipped nor repeated."""

import random
from contextlib import suppress

import pytest

from experiments.models import Run
from experiments.tracking.database import Database
from experiments.tracking.operations import LogBatch
from experiments.tracking.points import OURSELVES
from experiments.tracking.search import columns
from experiments.tracking.search.experiments import search_experiments
from experiments.tracking.search.runs import runs_to_fold, search_run_ids, search_runs
from experiments.tracking.writer import write_group
from platform_site.core.errors import Invalid
from platform_site.core.paging import make_token
from tests.experiments.search_help import experiment_of, run_of


def page(people, experiment, token=None, *, text="", order=(), limit=3, view="ACTIVE_ONLY"):
    return search_runs(
        Database.of_django(), [people.project.pk], [experiment.pk], text, order, view, limit, token
    )


@pytest.mark.parametrize(
    "order", [[], ["metrics.m"], ["metrics.m DESC"], ["params.p"], ["run_name DESC"]]
)
def test_rows_that_were_there_come_once_however_many_are_added(people, order):
    experiment = experiment_of(people.project)
    pick = random.Random(5)

    def add():
        moment = pick.randrange(20)
        values = {"m": pick.choice([None, 0.5, 1.5])} if moment % 3 else {}
        return run_of(
            experiment, people.alice, name=f"n{moment}", start_ms=moment, metrics=values,
            params={"p": str(moment % 4)},
        ).uuid  # fmt: skip

    were_there = {add() for _ in range(15)}
    found, token = [], ""
    while token is not None:
        rows, token = page(people, experiment, token, order=order)
        found += [row.uuid for row in rows]
        add()
    assert were_there <= set(found)
    assert len(found) == len(set(found))


def test_a_page_ends_without_token_when_nothing_follows(people):
    experiment = experiment_of(people.project)
    for number in range(6):
        run_of(experiment, people.alice, start_ms=number)
    first, token = page(people, experiment)
    second, end = page(people, experiment, token)
    assert [row.start_ms for row in (*first, *second)] == [5, 4, 3, 2, 1, 0]
    assert end is None
    assert page(people, experiment, limit=6)[1] is None


def test_a_token_of_another_query_is_refused(people):
    experiment, other = experiment_of(people.project), experiment_of(people.project)
    for number in range(4):
        run_of(experiment, people.alice, start_ms=number)
        run_of(other, people.alice, start_ms=number)
    _, token = page(people, experiment)
    for changed in ({"text": "metrics.a > 1"}, {"order": ["run_name"]}, {"view": "ALL"}):
        with pytest.raises(Invalid, match="page token") as refusal:
            page(people, experiment, token, **changed)
        assert refusal.value.code == "bad_page_token"
    with pytest.raises(Invalid, match="page token"):
        page(people, other, token)
    with pytest.raises(Invalid, match="page token"):
        search_experiments(Database.of_django(), [people.project.pk], page_token=token)
    assert page(people, experiment, token, limit=50)[0]  # the size of a page may change


@pytest.mark.parametrize(
    "token",
    [
        "x", "eyJvZmZzZXQiOiAxfQ==", "🦊", "\x00", "a" * 30_000, ":" * 50,
        make_token({"q": "x", "o": 0, "k": [1]}, salt="search:runs"),
        make_token({"q": "x", "o": 2**64}, salt="search:runs"),
        make_token({}, salt="search:runs"),
        make_token({"o": 5}, salt="other"),
    ],
    # Signed tokens hold the time: as names they would differ between test processes.
    ids="text offset letter nul long colons foreign-key far-offset empty salt".split(),
)  # fmt: skip
def test_a_forged_or_foreign_token_is_refused(people, token):
    experiment = experiment_of(people.project)
    run_of(experiment, people.alice)
    with pytest.raises(Invalid, match="page token"):
        page(people, experiment, token)


@pytest.mark.parametrize("limit", [0, -1, 50_001, 10**9])
def test_sizes_of_pages_are_limited(people, limit):
    with pytest.raises(Invalid, match="max_results must be between 1 and 50000"):
        page(people, experiment_of(people.project), limit=limit)


HOSTILE = [
    "metrics.`a' OR 1=1 --` > 0",
    "params.`x\"); DROP TABLE experiments_run; --` = 'y'",
    "params.p = '\\'' AND run_name = 'x'",
    "params.p = ''' OR ''1''=''1'",
    "tags.`%s` = '%s'",
    "tags.`?` = '?'",
    "tags.`{0}` LIKE '%?%s_'",
    "run_name = ') OR (1=1'",
    "run_id IN ('a'') UNION SELECT password FROM accounts_user --')",
    "artifact_uri LIKE '%%'",
    "dataset.name = 'x'' OR 1=1'",
    "metrics.a > 99999999999999999999999999999999999999",
    "start_time > 99999999999999999999999999999999999999",
    "start_time = 1e308",
    "metrics.a = 1e999",
    "metrics.a > -1e999",
    "start_time < 1e999",
    "run_id IN (" + ", ".join(f"'{number:032x}'" for number in range(500)) + ")",
    "tags.`" + "k" * 5_000 + "` = 'x'",
    "params.p LIKE '" + "[" * 200 + "'",
    "params.p ILIKE '[^a]*?]-'",
    " AND ".join(["metrics.a > 1", "params.p LIKE '%a%'", "tags.t != 'x'"] * 60),
    " AND ".join(f"metrics.m{number} > 1" for number in range(200)),
]


TRUE_OF_THEM = {"start_time < 1e999", "artifact_uri LIKE '%%'"}


@pytest.mark.parametrize("text", HOSTILE)
def test_what_a_filter_holds_is_never_more_than_a_value(people, text):
    experiment = experiment_of(people.project)
    for number in range(2):
        run_of(experiment, people.alice, metrics={"m0": 1.0}, params={"p": "q"}, start_ms=number)
    if "''" in text or "DROP" in text:
        with suppress(Invalid):
            assert page(people, experiment, text=text)[0] == []
    else:
        found = 2 if text in TRUE_OF_THEM else 0
        assert len(page(people, experiment, text=text)[0]) == found
    assert Run.objects.count() == 2


def test_twenty_orders_by_metrics_are_one_statement(people):
    experiment = experiment_of(people.project)
    run_of(experiment, people.alice, metrics={f"m{number}": 1.0 for number in range(20)})
    order = [f"metrics.m{number} DESC" for number in range(20)]
    assert len(page(people, experiment, order=order)[0]) == 1


def test_a_million_experiments_are_no_million_parameters(people):
    experiment = experiment_of(people.project)
    run_of(experiment, people.alice)
    ids = [*range(10**6, 10**6 + 50_000), experiment.pk]
    rows, _ = search_runs(Database.of_django(), [people.project.pk], ids)
    assert len(rows) == 1


def test_points_are_folded_before_they_are_compared(people):
    experiment = experiment_of(people.project)
    run = run_of(experiment, people.alice)
    db = Database.of_django()
    write_group(db, [LogBatch(run.uuid, OURSELVES, metrics=[("loss", 1, 1, 0.25)])])
    arguments = (db, [people.project.pk], [experiment.pk], "metrics.loss = 0.25")
    assert runs_to_fold(*arguments) == [run.pk]
    assert runs_to_fold(db, [people.project.pk], None, "", ["metrics.loss"]) == [run.pk]
    assert runs_to_fold(db, [people.project.pk], [experiment.pk], "run_name = 'run'") == []
    assert search_run_ids(*arguments)[0] == []
    assert [row.id for row in search_runs(*arguments)[0]] == [run.pk]
    assert runs_to_fold(*arguments) == []


def test_keys_in_use_are_counted_and_values_are_read_with_one_query_each(people):
    experiment = experiment_of(people.project)
    one = run_of(experiment, people.alice, metrics={"a": 1.0, "b": None}, params={"p": "x"})
    two = run_of(experiment, people.alice, metrics={"a": 2.0}, tags={"t": "y"})
    run_of(experiment, people.alice, metrics={"gone": 1.0}, lifecycle="deleted")
    db = Database.of_django()
    used = columns.keys_in_use(db, [people.project.pk], [experiment.pk])
    assert used.metrics == [("a", 2), ("b", 1)]
    assert (used.params, used.tags, used.n_runs) == ([("p", 1)], [("t", 1)], 2)
    assert columns.keys_in_use(db, []).metrics == []
    values = columns.values_for(db, [one.pk, two.pk], metrics=["a", "b"], params=None, tags=[])
    assert values.metrics == {
        one.pk: {"a": (1.0, 0, 0), "b": (None, 0, 0)},
        two.pk: {"a": (2.0, 0, 0)},
    }
    assert (values.params, values.tags) == ({one.pk: {"p": "x"}}, {})
