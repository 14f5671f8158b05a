"""The list of experiments through HTTP: what it shows, and changing experiments."""

import pytest

from experiments.models import Experiment, ExperimentTag
from tests.experiments.tracking_help import experiment_of, new_run

pytestmark = pytest.mark.django_db(transaction=True)


def rows(answer) -> list[str]:
    return [row.experiment.name for row in answer.context["rows"]]


def test_members_see_experiments_with_runs_activity_and_tags(people, as_user):
    experiment = experiment_of(people.project)
    ExperimentTag.objects.create(experiment=experiment, key="team", value="red")
    ExperimentTag.objects.create(experiment=experiment, key="mlflow.kind", value="not for people")
    new_run(people.alice, people.project, name="first")
    new_run(people.alice, people.project, name="second")
    answer = as_user(people.bob).get("/experiments/")
    (row,) = answer.context["rows"]
    assert (row.n_runs, row.has_more, row.last_run.name) == (2, False, "second")
    text = answer.content.decode()
    assert "team: red" in text
    assert "not for people" not in text


def test_words_and_lifecycle_narrow_the_list(people, as_user):
    for name in ("Spring trials", "Autumn trials"):
        experiment_of(people.project, name)
    Experiment.objects.filter(name="Autumn trials").update(lifecycle="deleted")
    client = as_user(people.bob)
    assert rows(client.get("/experiments/")) == ["Spring trials"]
    assert rows(client.get("/experiments/?search=TRIALS+spr")) == ["Spring trials"]
    assert rows(client.get("/experiments/?view=deleted")) == ["Autumn trials"]
    assert set(rows(client.get("/experiments/?view=all"))) == {"Spring trials", "Autumn trials"}


def test_editors_make_rename_delete_and_restore_an_experiment(people, as_user):
    alice = as_user(people.alice)
    made = alice.post("/experiments/new/", {"name": "Winter"})
    experiment = Experiment.objects.get(name="Winter")
    address = f"/experiments/{experiment.pk}/"
    assert made.headers["Location"] == address
    alice.post(f"{address}change/", {"action": "rename", "name": "Deep winter"})
    assert "Deep winter" in alice.get(address).content.decode()
    alice.post(f"{address}change/", {"action": "delete"})
    assert rows(alice.get("/experiments/")) == []
    alice.post(f"{address}change/", {"action": "restore"})
    assert rows(alice.get("/experiments/")) == ["Deep winter"]
    assert alice.post(f"{address}change/", {"action": "burn"}).status_code == 400


def test_a_name_that_is_taken_is_refused_in_plain_words(people, as_user):
    experiment_of(people.project, "Winter")
    answer = as_user(people.alice).post("/experiments/new/", {"name": "Winter"})
    assert answer.status_code == 409
    assert "Winter" in answer.content.decode()


def test_viewers_and_strangers_change_nothing(people, as_user):
    experiment = experiment_of(people.project)
    address = f"/experiments/{experiment.pk}/change/"
    for user, status in ((people.bob, 403), (people.charlie, 404)):
        assert as_user(user).post(address, {"action": "delete"}).status_code == status
    assert as_user(people.bob).post("/experiments/new/", {"name": "Mine"}).status_code == 403
    text = as_user(people.bob).get("/experiments/").content.decode()
    assert "/experiments/new/" not in text
    assert "change/" not in text
    assert as_user(people.charlie).get("/experiments/").status_code == 403
