"""Registering runs as versions: names, numbers, lineage that cannot be deleted, events."""

import json

import pytest
from django.db.models import ProtectedError

from platform_site.core.errors import Conflict, Invalid
from platform_site.core.names import model_name
from platform_site.events.models import Event
from registry.models import ModelVersion, RegisteredModel
from registry.services.models import describe_model
from registry.services.predictions import predict_rows
from registry.services.versions import edit_card, register_run
from tests.experiments.training_help import finished_run, queued_run

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_store")]


@pytest.mark.parametrize(
    "name", ["", " ", "a/b", "a:b", "..", ".", "x.", "a\x00b", "ü/", "a%2fb", "x" * 257]
)
def test_names_that_an_address_cannot_carry_are_refused(name):
    with pytest.raises(Invalid):
        model_name(name)


@pytest.mark.parametrize(
    ("name", "clean"), [(" a  b ", "a b"), ("نجوم", "نجوم"), ("koi-2.1_x", "koi-2.1_x"), ("1", "1")]
)
def test_names_have_one_form(name, clean):
    assert model_name(name) == clean


def test_a_version_knows_its_run_bytes_figures_and_author_and_is_announced(people):
    run = finished_run(people)
    version = register_run(run=run, name="stars", by=people.alice)
    assert version.number == 1
    assert version.model_blob_id == run.model_blob_id
    assert version.manifest["target"] == "kind"
    assert version.metrics["accuracy"]["value"] == run.headline_value
    assert version.card.startswith("# Model for kind")
    event = Event.objects.filter(topic__key=f"run:{run.uuid}", kind="run.registered").get()
    assert json.loads(event.data) == {"model": "stars", "version": 1}


def test_the_same_run_under_the_same_name_is_the_same_version(people):
    run = finished_run(people)
    first = register_run(run=run, name="stars", by=people.alice)
    assert register_run(run=run, name="stars", by=people.bob).pk == first.pk
    assert register_run(run=run, name="other", by=people.alice).number == 1
    assert ModelVersion.objects.count() == 2


def test_a_run_registers_itself_when_it_was_asked_to(people):
    run = finished_run(people, register_as="stars")
    version = ModelVersion.objects.get()
    assert (version.run_id, version.model.name, version.created_by) == (
        run.pk,
        "stars",
        people.alice,
    )


def test_a_run_without_a_model_is_refused_with_its_state(people):
    run = queued_run(people)
    with pytest.raises(Conflict, match="queued"):
        register_run(run=run, name="stars", by=people.alice)
    assert not RegisteredModel.objects.exists()


def test_what_a_version_rests_on_cannot_be_deleted(people):
    run = finished_run(people)
    version = register_run(run=run, name="stars", by=people.alice)
    for thing in (run, run.dataset_version, run.model_blob, version.model, people.alice):
        with pytest.raises(ProtectedError):
            thing.delete()


def test_cards_and_descriptions_have_a_limit(people):
    run = finished_run(people)
    version = register_run(run=run, name="stars", by=people.alice)
    with pytest.raises(Invalid):
        edit_card(version=version, card="x" * 100_001)
    with pytest.raises(Invalid):
        describe_model(model=version.model, description="x" * 10_001)
    assert edit_card(version=version, card="a\x00b").card == "ab"


def test_only_so_many_rows_are_predicted_at_once(people):
    version = register_run(run=finished_run(people), name="stars", by=people.alice)
    for rows, explain in (([], False), ([{}] * 1001, False), ([{}] * 21, True)):
        with pytest.raises(Invalid):
            predict_rows(version, rows, explain=explain)
