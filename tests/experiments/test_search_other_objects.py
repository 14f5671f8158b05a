"""Searches of experiments and logged models: fields, orders, ties, pages."""

from datetime import UTC, datetime, timedelta

import pytest

from experiments.models import (
    LoggedModel,
    LoggedModelMetric,
    LoggedModelParam,
    LoggedModelTag,
)
from experiments.tracking.database import Database
from experiments.tracking.search.experiments import search_experiments, tags_of_experiments
from experiments.tracking.search.logged_models import (
    DatasetName,
    ModelOrder,
    search_logged_models,
)
from platform_site.core.errors import Invalid
from tests.experiments.search_help import experiment_of, run_of

BEGIN = datetime(2024, 5, 1, 12, 0, 0, 250_500, tzinfo=UTC)
BEGIN_MS = 1_714_564_800_250


@pytest.fixture
def four(people):
    """Experiments one millisecond apart; of each moment the database keeps half a millisecond more."""
    tags = [{"team": "Sky"}, {"team": "sky", "x y": "1"}, {}, {"team": "É"}]
    return [
        experiment_of(people.project, name, tags=tags[at], at=BEGIN + timedelta(milliseconds=at),
                      updated_at=BEGIN - timedelta(milliseconds=at))
        for at, name in enumerate(["alpha", "Alpha", "beta_1", "beta%"])
    ]  # fmt: skip


def experiments(people, text="", order=(), **more):
    rows, _ = search_experiments(Database.of_django(), [people.project.pk], text, order, **more)
    return [row.name for row in rows]


EXPERIMENT_FILTERS = [
    ("", ["beta%", "beta_1", "Alpha", "alpha"]),
    ("name = 'alpha'", ["alpha"]),
    ("name != 'alpha'", ["beta%", "beta_1", "Alpha"]),
    ("name LIKE 'a%'", ["alpha"]),
    ("attribute.name ILIKE 'a%'", ["Alpha", "alpha"]),
    ("name LIKE 'beta_1'", ["beta_1"]),
    ("name LIKE 'beta_'", ["beta%"]),
    ("tags.team = 'sky'", ["Alpha"]),
    ("tag.team ILIKE 'é'", ["beta%"]),
    ("tags.team != 'sky'", ["beta%", "alpha"]),
    ("tags.team IS NULL", ["beta_1"]),
    ("tags.`x y` IS NOT NULL", ["Alpha"]),
    (f"creation_time = {BEGIN_MS}", ["alpha"]),
    (f"creation_time != {BEGIN_MS}", ["beta%", "beta_1", "Alpha"]),
    (f"creation_time > {BEGIN_MS}", ["beta%", "beta_1", "Alpha"]),
    (f"creation_time >= {BEGIN_MS + 3}", ["beta%"]),
    (f"creation_time < {BEGIN_MS + 1}", ["alpha"]),
    (f"creation_time <= {BEGIN_MS + 1}", ["Alpha", "alpha"]),
    (f"creation_time > {BEGIN_MS}.5", ["beta%", "beta_1", "Alpha"]),
    (f"creation_time = {BEGIN_MS}.5", []),
    ("creation_time < 1e30", ["beta%", "beta_1", "Alpha", "alpha"]),
    ("creation_time > 1e30", []),
    ("creation_time != -1e30", ["beta%", "beta_1", "Alpha", "alpha"]),
    (f"last_update_time < {BEGIN_MS - 2}", ["beta%"]),
    ("experiment_id = 'x'", []),
    ("experiment_id != '01'", ["beta%", "beta_1", "Alpha", "alpha"]),
]


@pytest.mark.parametrize(("text", "expected"), EXPERIMENT_FILTERS)
def test_a_filter_chooses_experiments(people, four, text, expected):
    assert experiments(people, text) == expected


def test_experiments_are_found_by_their_numbers(people, four):
    first, second = str(four[0].pk), str(four[1].pk)
    assert experiments(people, f"experiment_id IN ('{first}', '{second}')") == ["Alpha", "alpha"]
    assert experiments(people, f"experiment_id NOT IN ('{first}', 'x')")[-1] == "Alpha"


EXPERIMENT_ORDERS = [
    (["name"], ["Alpha", "alpha", "beta%", "beta_1"]),
    (["name DESC"], ["beta_1", "beta%", "alpha", "Alpha"]),
    (["last_update_time"], ["beta%", "beta_1", "Alpha", "alpha"]),
    (["experiment_id"], ["alpha", "Alpha", "beta_1", "beta%"]),
    (["creation_time"], ["alpha", "Alpha", "beta_1", "beta%"]),
]


@pytest.mark.parametrize(("order", "expected"), EXPERIMENT_ORDERS)
def test_experiments_come_in_order_and_in_pages(people, four, order, expected):
    assert experiments(people, "", order) == expected
    found, token = [], ""
    while token is not None:
        rows, token = search_experiments(
            Database.of_django(), [people.project.pk], "", order, "ALL", 1, token
        )
        found += [row.name for row in rows]
    assert found == expected


def test_equal_times_are_ordered_by_number(people):
    for name in ("one", "two", "three"):
        experiment_of(people.project, name, at=BEGIN)
    assert experiments(people) == ["one", "two", "three"]
    assert experiments(people, "", ["creation_time"]) == ["three", "two", "one"]


def test_views_show_active_or_deleted_experiments(people, four):
    four[0].lifecycle = "deleted"
    four[0].save()
    assert experiments(people, view="DELETED_ONLY") == ["alpha"]
    assert len(experiments(people)) == 3
    assert len(experiments(people, view="ALL")) == 4


def test_rows_tell_whole_milliseconds_and_tags(people, four):
    db = Database.of_django()
    (row,), _ = search_experiments(db, [people.project.pk], "name = 'Alpha'")
    assert (row.created_ms, row.updated_ms) == (BEGIN_MS + 1, BEGIN_MS - 1)
    assert row.artifact_location == f"mlflow-artifacts:/{row.id}"
    assert tags_of_experiments(db, [row.id]) == {row.id: [("team", "sky"), ("x y", "1")]}


REFUSED = [
    "lifecycle_stage = 'active'", "attributes.name = 'x'", "metrics.a > 1", "params.a = 'x'",
    "name IN ('a')", "experiment_id LIKE '1%'", "experiment_id = 1", "creation_time = '1'",
    "tags.a IN ('b')", "project__secret = 'x'",
]  # fmt: skip


@pytest.mark.parametrize("text", REFUSED)
def test_a_search_of_experiments_refuses_what_it_does_not_know(people, text):
    with pytest.raises(Invalid, match="Clause 1 of filter"):
        experiments(people, text)


@pytest.fixture
def models(people):
    """Logged models with metrics on datasets."""
    experiment = experiment_of(people.project)
    run = run_of(experiment, people.alice)
    table = [
        ("alpha", {"lr": "0.1"}, {"team": "Sky"},
         [("acc", 0.5, 1, "iris", "d1"), ("acc", 0.9, 2, "stars", "d2")]),
        ("Alpha", {"lr": "0.2"}, {}, [("acc", 0.7, 1, "", "")]),
        ("beta", {}, {"team": "sky"}, [("acc", None, 1, "iris", "d3"), ("loss", -1.0, 1, "", "")]),
        ("gamma", {"lr": "0.1"}, {}, []),
    ]  # fmt: skip
    for at, (name, params, tags, metrics) in enumerate(table):
        model = LoggedModel.objects.create(
            model_id=f"m-{at:032x}", experiment=experiment, name=name, created_by=people.alice,
            created_ms=at // 2, updated_ms=10 - at, source_run_text=run.uuid,
        )  # fmt: skip
        for key, value in params.items():
            LoggedModelParam.objects.create(model=model, key=key, value=value)
        for key, value in tags.items():
            LoggedModelTag.objects.create(model=model, key=key, value=value)
        for key, value, moment, dataset, digest in metrics:
            LoggedModelMetric.objects.create(
                model=model, run=run, key=key, step=0, timestamp_ms=moment, value=value or 0.0,
                is_nan=value is None, dataset_name=dataset, dataset_digest=digest,
            )  # fmt: skip

    def search(text="", datasets=(), order=(), limit=100):
        found, token = [], ""
        while token is not None:
            rows, token = search_logged_models(
                Database.of_django(), [people.project.pk], [experiment.pk], text,
                [DatasetName(*one) for one in datasets], order, limit, token,
            )  # fmt: skip
            found += [row.name for row in rows]
        return found

    return search


MODEL_FILTERS = [
    ("", (), ["beta", "gamma", "alpha", "Alpha"]),
    ("name = 'alpha'", (), ["alpha"]),
    ("attributes.name IN ('alpha', 'beta')", (), ["beta", "alpha"]),
    ("name NOT IN ('alpha')", (), ["beta", "gamma", "Alpha"]),
    ("model_id LIKE 'm-%1'", (), ["Alpha"]),
    ("creation_timestamp > 0", (), ["beta", "gamma"]),
    ("last_updated_timestamp <= 8", (), ["beta", "gamma"]),
    ("params.lr = '0.1'", (), ["gamma", "alpha"]),
    ("params.lr IN ('0.2')", (), ["Alpha"]),
    ("tags.team ILIKE 'SKY'", (), ["beta", "alpha"]),
    ("tags.team IS NULL", (), ["gamma", "Alpha"]),
    ("metrics.acc < 0.6", (), ["alpha"]),
    ("metrics.acc > 0.6", (), ["alpha", "Alpha"]),
    ("metrics.acc != 0.5", (), ["beta", "alpha", "Alpha"]),
    ("metrics.none > 0", (), []),
    ("metrics.acc > 0.6", [("iris",)], []),
    ("metrics.acc < 0.6", [("iris",)], ["alpha"]),
    ("metrics.acc < 0.6", [("iris", "d2")], []),
    ("", [("iris",)], ["beta", "alpha"]),
    ("", [("iris", "d3"), ("stars",)], ["beta", "alpha"]),
    ("name = 'gamma'", [("iris",)], []),
    ("status = 'LOGGED_MODEL_READY'", (), []),
]


@pytest.mark.parametrize(("text", "datasets", "expected"), MODEL_FILTERS)
def test_a_filter_chooses_logged_models(models, text, datasets, expected):
    assert models(text, datasets) == expected


MODEL_ORDERS = [
    ([ModelOrder("name")], ["Alpha", "alpha", "beta", "gamma"]),
    ([ModelOrder("attributes.name", ascending=False)], ["gamma", "beta", "alpha", "Alpha"]),
    ([ModelOrder("last_updated_timestamp")], ["gamma", "beta", "Alpha", "alpha"]),
    ([ModelOrder("metrics.acc")], ["Alpha", "alpha", "beta", "gamma"]),
    ([ModelOrder("metrics.acc", ascending=False)], ["alpha", "Alpha", "beta", "gamma"]),
    ([ModelOrder("metrics.acc", True, DatasetName("iris"))], ["alpha", "beta", "gamma", "Alpha"]),
    ([ModelOrder("creation_timestamp"), ModelOrder("name")], ["Alpha", "alpha", "beta", "gamma"]),
]


@pytest.mark.parametrize("limit", [1, 3, 100])
@pytest.mark.parametrize(("order", "expected"), MODEL_ORDERS)
def test_logged_models_come_in_order_and_in_pages(models, order, expected, limit):
    assert models("", (), order, limit) == expected


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("tag.team = 'x'", "name"), ("metric.acc > 1", "name"), ("param.lr = '1'", "name"),
        ("metrics.acc > '1'", "name"), ("creation_timestamp IN ('1')", "name"),
        ("", "params.lr"), ("", "secret"), ("", "metric.acc"), ("", "\x00"), ("", ""),
    ],
)  # fmt: skip
def test_a_search_of_logged_models_refuses_what_it_does_not_know(models, text, order):
    with pytest.raises(Invalid):
        models(text, (), [ModelOrder(order)])
