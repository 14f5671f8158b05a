"""The table of runs through HTTP: search, order, columns, groups, pages, views, bulk, CSV."""

import csv
import io

import pytest

from experiments.models import Run, SavedView
from experiments.tracking.operations import LogBatch
from tests.experiments.tracking_help import caller, experiment_of, new_run, write

pytestmark = pytest.mark.django_db(transaction=True)


def logged(people, name, *, metrics=None, params=None, tags=None) -> Run:
    """Return a run of a client with these newest values."""
    run = new_run(people.alice, people.project, name=name, start_ms=1_700_000_000_000)
    write(
        LogBatch(
            run.uuid,
            caller(people.alice),
            metrics=[(key, 3, 1_700_000_000_500, value) for key, value in (metrics or {}).items()],
            params=list((params or {}).items()),
            tags=list((tags or {}).items()),
        )
    )
    return run


def names(answer) -> list[str]:
    return [line.run.name for line in answer.context["lines"]]


@pytest.fixture
def three(people):
    """Three runs: two models, losses in no order, one without a loss."""
    return [
        logged(people, "amber", metrics={"loss": 0.5}, params={"model": "cnn", "lr": "0.1"}),
        logged(people, "birch", metrics={"loss": 0.25}, params={"model": "mlp", "lr": "0.1"}),
        logged(people, "cedar", params={"model": "cnn"}),
    ]


def test_both_tables_show_what_clients_logged_to_members_alone(people, as_user, three):
    experiment = experiment_of(people.project)
    for address in ("/runs/", f"/experiments/{experiment.pk}/"):
        answer = as_user(people.bob).get(address)
        assert sorted(names(answer)) == ["amber", "birch", "cedar"], address
        text = answer.content.decode()
        assert "0.25" in text
        assert 'data-column="params.model"' in text
    assert as_user(people.charlie).get(f"/experiments/{experiment.pk}/").status_code == 404
    assert as_user(people.alice).get("/experiments/999999/").status_code == 404


def test_the_filter_speaks_the_grammar_and_plain_words(people, as_user, three):
    client = as_user(people.bob)
    found = client.get("/runs/", {"q": "metrics.loss < 0.4 AND params.model = 'mlp'"})
    assert names(found) == ["birch"]
    assert names(client.get("/runs/", {"q": "AMB"})) == ["amber"]
    assert names(client.get("/runs/", {"q": three[2].uuid})) == ["cedar"]
    assert names(client.get("/runs/", {"q": "no such"})) == []


def test_a_filter_that_cannot_be_read_is_explained_beside_its_field(people, as_user, three):
    answer = as_user(people.bob).get("/runs/", {"q": "metrics.loss < 0.4 AND params.model = cnn"})
    assert answer.status_code == 400
    text = answer.content.decode()
    assert "Clause 2" in text
    assert 'aria-describedby="filter-error"' in text
    assert "hx-get" not in text.split('id="runs-part"')[1]  # nothing to refresh


def test_any_column_orders_the_runs_and_those_without_it_come_last(people, as_user, three):
    client = as_user(people.bob)
    assert names(client.get("/runs/", {"sort": "metrics.loss"})) == ["birch", "amber", "cedar"]
    assert names(client.get("/runs/", {"sort": "-metrics.loss"})) == ["amber", "birch", "cedar"]
    assert names(client.get("/runs/", {"sort": "-attributes.run_name"})) == [
        "cedar", "birch", "amber",
    ]  # fmt: skip
    answer = client.get("/runs/", {"sort": "-metrics.loss"})
    assert 'aria-sort="descending"' in answer.content.decode()


def test_the_best_scores_of_trainings_come_first_on_request(people, as_user, three):
    for run, score in zip(three[:2], (0.5, 0.75), strict=True):
        Run.objects.filter(pk=run.pk).update(headline_value=score, headline_metric="accuracy")
    client = as_user(people.bob)
    assert names(client.get("/runs/?sort=-attributes.score")) == ["birch", "amber", "cedar"]
    assert names(client.get("/runs/?sort=attributes.score")) == ["amber", "birch", "cedar"]
    refused = client.get("/runs/", {"q": "attributes.score > 0.5"})
    assert refused.status_code == 400


def test_chosen_columns_are_shown_in_their_order(people, as_user, three):
    answer = as_user(people.bob).get("/runs/", {"cols": "params.lr,attributes.status,nonsense"})
    assert [one.column.id for one in answer.context["headers"]] == [
        "params.lr", "attributes.status",
    ]  # fmt: skip


def test_a_key_with_commas_and_spaces_is_a_column_like_any_other(people, as_user):
    logged(people, "odd", metrics={"val loss: a/b": 0.125})
    answer = as_user(people.bob).get("/runs/", {"cols": "metrics.val loss: a/b"})
    assert "0.125" in answer.content.decode()
    (head,) = answer.context["headers"]
    again = as_user(people.bob).get(f"/runs/{head.sort_url}")
    assert again.status_code == 200
    assert names(again) == ["odd"]


def test_runs_are_grouped_by_a_param_and_by_their_parent(people, as_user, three):
    client = as_user(people.bob)
    by_model = client.get("/runs/", {"group": "params.model"})
    headings = [one.heading for one in by_model.context["lines"] if one.heading]
    assert headings == ["model = cnn", "model = mlp"]
    falling = client.get("/runs/", {"group": "params.model", "sort": "-params.model"})
    assert [one.heading for one in falling.context["lines"] if one.heading][0] == "model = mlp"
    logged(people, "leaf", tags={"mlflow.parentRunId": three[0].uuid})
    by_parent = client.get("/runs/", {"group": "tags.mlflow.parentRunId"})
    first = by_parent.context["lines"][0]
    assert (first.heading, first.run.name) == ("amber", "leaf")
    assert first.heading_uuid == three[0].uuid


def test_pages_follow_one_another_without_gap_or_double(people, as_user, monkeypatch):
    monkeypatch.setattr("experiments.web.run_tables.PAGE_ROWS", 2)
    for number in range(5):
        logged(people, f"run {number}")
    client, seen, address = as_user(people.bob), [], "/runs/"
    while address:
        answer = client.get(address)
        seen += names(answer)
        address = answer.context["next_url"] and f"/runs/{answer.context['next_url']}"
    assert sorted(seen) == [f"run {number}" for number in range(5)]


def test_the_column_picker_finds_keys_most_used_first(people, as_user, three):
    client = as_user(people.bob)
    found = client.get("/runs/columns/").json()["columns"]
    assert [one["id"] for one in found][0] == "params.model"
    assert {one["id"]: one["n"] for one in found}["metrics.loss"] == 2
    assert [one["id"] for one in client.get("/runs/columns/?q=LO").json()["columns"]] == [
        "metrics.loss"
    ]
    experiment = experiment_of(people.project)
    address = f"/runs/columns/?experiment={experiment.pk}"
    assert as_user(people.charlie).get(address).status_code == 404


def test_the_part_alone_is_given_to_a_refresh(people, as_user, three):
    answer = as_user(people.bob).get("/runs/?q=amber", headers={"HX-Request": "true"})
    text = answer.content.decode()
    assert text.lstrip().startswith('<div id="runs-part"')
    assert 'hx-get="/runs/?q=amber"' in text


def test_editors_tag_delete_and_restore_several_runs_at_once(people, as_user, three):
    alice = as_user(people.alice)
    chosen = [three[0].uuid, three[1].uuid]
    done = alice.post(
        "/runs/bulk/",
        {"run": chosen, "action": "tag", "key": "team", "value": "red", "next": "/runs/?q=a"},
    )
    assert done.headers["Location"] == "/runs/?q=a"
    assert sorted(names(alice.get("/runs/", {"q": "tags.team = 'red'"}))) == ["amber", "birch"]
    alice.post("/runs/bulk/", {"run": chosen, "action": "delete"})
    assert names(alice.get("/runs/")) == ["cedar"]
    assert sorted(names(alice.get("/runs/?view=deleted"))) == ["amber", "birch"]
    alice.post("/runs/bulk/", {"run": chosen[:1], "action": "restore"})
    assert sorted(names(alice.get("/runs/"))) == ["amber", "cedar"]


def test_bulk_actions_refuse_small_roles_strangers_and_nonsense(people, as_user, three):
    wanted = {"run": [three[0].uuid], "action": "delete"}
    assert as_user(people.bob).post("/runs/bulk/", wanted).status_code == 403
    assert as_user(people.charlie).post("/runs/bulk/", wanted).status_code == 404
    alice = as_user(people.alice)
    assert alice.post("/runs/bulk/", {**wanted, "action": "burn"}).status_code == 400
    assert alice.post("/runs/bulk/", {"action": "delete"}).status_code == 400
    missing = alice.post("/runs/bulk/", {"run": [three[0].uuid, "f" * 32], "action": "delete"})
    assert missing.status_code == 404
    away = alice.post("/runs/bulk/", {**wanted, "next": "https://evil.example/"})
    assert away.headers["Location"] == "/runs/"
    assert Run.objects.get(pk=three[1].pk).lifecycle == "active"


def test_viewers_see_no_button_that_would_be_refused(people, as_user, three):
    text = as_user(people.bob).get("/runs/").content.decode()
    for action in ("tag", "delete", "restore"):
        assert f'value="{action}"' not in text
    assert "/train/" not in text.split("<main", 1)[1]


def test_a_private_view_is_ones_own_and_a_shared_one_the_projects(people, as_user, three):
    alice, bob = as_user(people.alice), as_user(people.bob)
    kept = {"name": "good ones", "q": "metrics.loss < 0.4", "sort": "metrics.loss"}
    address = bob.post("/runs/views/", kept).headers["Location"]
    assert names(bob.get(address)) == ["birch"]
    assert alice.get(address).status_code == 404
    assert bob.post("/runs/views/", {**kept, "shared": "yes"}).status_code == 403
    shared = alice.post("/runs/views/", {**kept, "shared": "yes"}).headers["Location"]
    assert names(bob.get(shared)) == ["birch"]
    assert [one.name for one in bob.get("/runs/").context["views"]] == ["good ones"] * 2


def test_a_view_is_deleted_by_its_owner_only(people, as_user):
    alice, bob = as_user(people.alice), as_user(people.bob)
    alice.post("/runs/views/", {"name": "mine"})
    view = SavedView.objects.get()
    assert bob.post(f"/runs/views/{view.pk}/delete/").status_code == 404
    assert as_user(people.charlie).post(f"/runs/views/{view.pk}/delete/").status_code == 404
    assert alice.post(f"/runs/views/{view.pk}/delete/").status_code == 302
    assert not SavedView.objects.exists()


def csv_rows(answer) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))


def test_the_csv_holds_all_pages_and_no_formula(people, as_user, monkeypatch, three):
    monkeypatch.setattr("experiments.web.run_csv.PAGE_ROWS", 2)
    logged(people, "=cmd()", params={"model": "@sum", "lr": "-5"}, metrics={"loss": -1.5})
    client = as_user(people.bob)
    rows = csv_rows(client.get("/runs/csv/?cols=metrics.loss,params.model,params.lr"))
    by_name = {row["run_name"]: row for row in rows}
    assert set(by_name) == {"amber", "birch", "cedar", "'=cmd()"}
    assert by_name["'=cmd()"]["params.model"] == "'@sum"
    assert by_name["'=cmd()"]["params.lr"] == "-5"
    assert by_name["'=cmd()"]["metrics.loss"] == "-1.5"
    assert by_name["cedar"]["metrics.loss"] == ""
    chosen = csv_rows(client.get(f"/runs/csv/?runs={three[0].uuid}"))
    assert [row["run_name"] for row in chosen] == ["amber"]
    assert client.get("/runs/csv/?q=metrics.x+<").status_code == 400
    assert client.get("/runs/csv/?runs=x").status_code == 400


def test_hostile_keys_and_values_stay_text(people, as_user):
    bad = "</script><img src=x onerror=alert(1)>"
    logged(people, bad, params={"model": bad})
    text = as_user(people.bob).get("/runs/?group=params.model").content.decode()
    assert "<img src=x" not in text
