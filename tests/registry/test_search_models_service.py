"""Searches of registered models and versions: fields, prompts, orders, pages."""

from datetime import UTC, datetime, timedelta

import pytest

from experiments.tracking.database import Database
from platform_site.core.errors import Invalid
from registry.models import ModelVersion, ModelVersionTag, RegisteredModel, RegisteredModelTag
from registry.selectors_search import search_model_versions, search_registered_models

BEGIN = datetime(2024, 5, 1, tzinfo=UTC)
PROMPT = "mlflow.prompt.is_prompt"
MODELS = [
    ("alpha", {"team": "Sky"}),
    ("Beta", {"team": "sky", "x y": "1"}),
    ("gamma_1", {}),
    ("a prompt", {PROMPT: "true"}),
    ("no prompt", {PROMPT: "false"}),
]
VERSIONS = [
    ("alpha", 1, "s3://b/one", "", {"q": "good"}),
    ("alpha", 2, "s3://b/Two", "r1", {"q": "Bad"}),
    ("alpha", 10, "s3://c/x", "r2", {}),
    ("Beta", 1, "s3://c/y", "r1", {"q": "good"}),
    ("a prompt", 1, "text", "", {PROMPT: "true"}),
]


@pytest.fixture
def registry(people):
    models = {}
    for at, (name, tags) in enumerate(MODELS):
        models[name] = RegisteredModel.objects.create(
            project=people.project, name=name, created_by=people.alice, created_at=BEGIN,
            updated_at=BEGIN + timedelta(seconds=at % 3),
        )  # fmt: skip
        for key, value in tags.items():
            RegisteredModelTag.objects.create(model=models[name], key=key, value=value)
    for at, (name, number, source, run_id, tags) in enumerate(VERSIONS):
        version = ModelVersion.objects.create(
            model=models[name], number=number, source=source, run_text=run_id,
            created_by=people.alice, created_at=BEGIN + timedelta(seconds=at),
            updated_at=BEGIN + timedelta(seconds=at // 2),
        )  # fmt: skip
        for key, value in tags.items():
            ModelVersionTag.objects.create(version=version, key=key, value=value)


def in_pages(search, people, text, order, limit):
    found, token = [], ""
    while token is not None:
        page, token = search(Database.of_django(), [people.project.pk], text, order, limit, token)
        found += page
    return found


def models(people, text="", order=(), limit=100):
    found = in_pages(search_registered_models, people, text, order, limit)
    names = dict(RegisteredModel.objects.values_list("id", "name"))
    return [names[number] for number in found]


def versions(people, text="", order=(), limit=100):
    found = in_pages(search_model_versions, people, text, order, limit)
    rows = ModelVersion.objects.values_list("id", "model__name", "number")
    names = {one: f"{name}/{number}" for one, name, number in rows}
    return [names[number] for number in found]


MODEL_FILTERS = [
    ("", ["Beta", "alpha", "gamma_1", "no prompt"]),
    ("name = 'alpha'", ["alpha"]),
    ("name != 'alpha'", ["Beta", "gamma_1", "no prompt"]),
    ("attribute.name LIKE 'b%'", []),
    ("name ILIKE 'b%'", ["Beta"]),
    ("name IN ('alpha', 'a prompt')", ["alpha"]),
    ("name NOT IN ('alpha')", ["Beta", "gamma_1", "no prompt"]),
    ("tags.team = 'sky'", ["Beta"]),
    ("tag.`x y` = '1'", ["Beta"]),
    ("tags.team IS NULL", ["gamma_1", "no prompt"]),
    (f"tags.`{PROMPT}` = 'true'", ["a prompt"]),
    (f"tags.{PROMPT} = 'true' AND name = 'alpha'", []),
    (f"tags.`{PROMPT}` != 'true'", ["Beta", "alpha", "gamma_1", "no prompt"]),
    (f"tags.`{PROMPT}` = 'false'", ["Beta", "alpha", "gamma_1", "no prompt"]),
    (f"tags.`{PROMPT}` IS NOT NULL", ["a prompt", "no prompt"]),
]


@pytest.mark.parametrize(("text", "expected"), MODEL_FILTERS)
def test_a_filter_chooses_models_and_leaves_prompts_out(people, registry, text, expected):
    assert models(people, text) == expected


VERSION_FILTERS = [
    ("", ["alpha/10", "Beta/1", "alpha/2", "alpha/1"]),
    ("name = 'Beta'", ["Beta/1"]),
    ("run_id = 'r1'", ["Beta/1", "alpha/2"]),
    ("run_id IN ('r2', 'r3')", ["alpha/10"]),
    ("source_path LIKE 's3://b/%'", ["alpha/2", "alpha/1"]),
    ("source_path ILIKE 'S3://B/t%'", ["alpha/2"]),
    ("version_number > 2", ["alpha/10"]),
    ("version_number = '1'", ["Beta/1", "alpha/1"]),
    ("version_number <= 2.5", ["Beta/1", "alpha/2", "alpha/1"]),
    ("tags.q = 'good'", ["Beta/1", "alpha/1"]),
    ("tags.q IS NULL", ["alpha/10"]),
    (f"tags.`{PROMPT}` = 'true'", ["a prompt/1"]),
]


@pytest.mark.parametrize(("text", "expected"), VERSION_FILTERS)
def test_a_filter_chooses_versions_and_leaves_prompts_out(people, registry, text, expected):
    assert sorted(versions(people, text)) == sorted(expected)


def test_orders_are_by_bytes_numbers_and_times_page_by_page(people, registry):
    for limit in (1, 2, 100):
        assert models(people, "", ["name DESC"], limit) == ["no prompt", "gamma_1", "alpha", "Beta"]
        assert models(people, "", ["timestamp DESC"], limit) == [
            "gamma_1", "Beta", "no prompt", "alpha",
        ]  # fmt: skip
        assert versions(people, "", (), limit) == ["Beta/1", "alpha/10", "alpha/2", "alpha/1"]
        assert versions(people, "", ["version_number"], limit) == [
            "Beta/1", "alpha/1", "alpha/2", "alpha/10",
        ]  # fmt: skip
        assert versions(people, "", ["creation_timestamp"], limit) == [
            "alpha/1", "alpha/2", "alpha/10", "Beta/1",
        ]  # fmt: skip


def test_strangers_projects_are_not_searched(people, registry):
    db = Database.of_django()
    assert search_registered_models(db, []) == ([], None)
    assert search_model_versions(db, [people.project.pk + 1]) == ([], None)


@pytest.mark.parametrize(
    ("search", "text", "order"),
    [
        (models, "run_id = 'x'", []), (models, "timestamp > 0", []), (models, "name > 'a'", []),
        (models, "attributes.name = 'x'", []), (models, "", ["creation_timestamp"]),
        (models, "", ["tags.team"]), (models, "", ["created_by__password"]),
        (models, "", ["timestamp", "last_updated_timestamp"]),
        (versions, "version = 1", []), (versions, "version_number = 'one'", []),
        (versions, "current_stage = 'None'", []), (versions, "", ["source_path"]),
        (versions, "metrics.a > 1", []), (versions, "", ["name; DROP TABLE x"]),
    ],
)  # fmt: skip
def test_other_fields_and_orders_are_refused(people, search, text, order):
    with pytest.raises(Invalid):
        search(people, text, order)
