"""Pages that start, list, show and control trainings, through HTTP."""

import re

import pytest

from experiments.models import Run
from tests.experiments.dataset_help import do_job, ready_version
from tests.experiments.training_help import finished_run, queued_run, stars_csv

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_store")]


def form_values(page) -> dict[str, object]:
    """Return what a browser would send of the untouched form."""
    values: dict[str, object] = {}
    for form in (page.form, page.params):
        for name in form.fields:
            bound = form[name]
            value = bound.value()
            if value is not None:
                values[bound.html_name] = value
    values["features"] = [column.name for column in page.columns if column.used]
    return values


def filled_form(client, version, **query):
    answer = client.get(
        "/train/",
        {"dataset": version.dataset_id, "target": "kind", "model_type": "decision_tree", **query},
    )
    assert answer.status_code == 200
    page = answer.context["page"]
    values = form_values(page)
    values |= {
        "dataset": version.dataset_id, "version": version.number, "target": "kind",
        "task": "classification", "model_type": "decision_tree", "template": "quick",
    }  # fmt: skip
    return values


def test_the_form_that_a_browser_shows_starts_a_training_that_works(people, as_user):
    version = ready_version(people.project, people.alice, stars_csv())
    client = as_user(people.alice)
    values = filled_form(client, version)
    values["features"] = ["size", "depth", "colour", "hot"]
    answer = client.post("/train/", values)
    assert answer.status_code == 302, answer.context and answer.context["page"].form.errors
    run = Run.objects.get()
    assert answer.headers["Location"] == f"/runs/{run.uuid}/"
    assert run.spec["features"] == ["size", "depth", "colour", "hot"]
    assert do_job(run.job).status == "completed"
    page = client.get(f"/runs/{run.uuid}/").content.decode()
    assert f"/runs/{run.uuid}/report/" in page
    assert f"/runs/{run.uuid}/register/" in page


def test_a_change_of_the_target_gives_the_fields_alone(people, as_user):
    version = ready_version(people.project, people.alice, stars_csv())
    query = {"dataset": version.dataset_id, "target": "mass", "model_type": "ridge"}
    answer = as_user(people.alice).get("/train/", query, headers={"HX-Request": "true"})
    text = answer.content.decode()
    assert "<html" not in text
    assert '<option value="mass" selected>' in text
    assert '<option value="regression" selected>' in text


def test_a_refusal_stays_on_the_form_beside_its_field(people, as_user):
    version = ready_version(people.project, people.alice, stars_csv())
    client = as_user(people.alice)
    values = filled_form(client, version)
    depth = next(name for name in values if name.endswith("max_depth"))
    answer = client.post("/train/", {**values, depth: "-3"})
    assert answer.status_code == 400
    assert answer.context["page"].params.errors
    none = client.post("/train/", {**values, "features": []})
    assert none.status_code == 400
    assert not Run.objects.exists()


def test_viewers_and_strangers_start_nothing(people, as_user):
    version = ready_version(people.project, people.alice, stars_csv())
    query = {"dataset": version.dataset_id}
    assert as_user(people.bob).get("/train/", query).status_code == 403
    assert as_user(people.charlie).get("/train/", query).status_code == 404
    assert as_user(people.bob).post("/train/", query).status_code == 403
    assert as_user(people.alice).get("/train/", {"dataset": "x"}).status_code == 400
    missing = as_user(people.alice).get("/train/", {**query, "version": 5})
    assert missing.status_code == 404


def test_runs_are_listed_filtered_and_hidden_from_strangers(people, as_user):
    run = queued_run(people)
    client = as_user(people.bob)
    assert run.name in client.get("/runs/").content.decode()
    for words, found in {
        "status = 'SCHEDULED'": [run],
        "status = 'FAILED'": [],
        "DECISION": [run],
        "params.model_type = 'ridge'": [],
    }.items():
        answer = client.get("/runs/", {"q": words})
        assert [line.run for line in answer.context["lines"]] == found, words
    assert as_user(people.charlie).get(f"/runs/{run.uuid}/").status_code == 404


def test_only_those_who_may_write_see_and_use_the_controls(people, as_user):
    run = queued_run(people)
    alice, bob, charlie = (as_user(p) for p in (people.alice, people.bob, people.charlie))
    assert "data-run-controls" in alice.get(f"/runs/{run.uuid}/").content.decode()
    assert "data-run-controls" not in bob.get(f"/runs/{run.uuid}/").content.decode()
    for client, status in ((bob, 403), (charlie, 404)):
        answer = client.post(f"/runs/{run.uuid}/control/", {"action": "stop"})
        assert answer.status_code == status
        assert client.post(f"/runs/{run.uuid}/rename/", {"name": "x"}).status_code == status
    paused = alice.post(
        f"/runs/{run.uuid}/control/", {"action": "pause"}, headers={"Accept": "application/json"}
    )
    assert paused.json() == {"status": "paused"}
    plain = alice.post(f"/runs/{run.uuid}/control/", {"action": "resume"})
    assert plain.headers["Location"] == f"/runs/{run.uuid}/"
    assert alice.post(f"/runs/{run.uuid}/rename/", {"name": "best one"}).status_code == 302
    run.refresh_from_db()
    assert (run.status, run.name) == ("queued", "best one")
    assert alice.get(f"/runs/{run.uuid}/control/").status_code == 405


def test_hostile_names_stay_text_on_every_page_of_a_run(people, as_user):
    run = finished_run(people)
    Run.objects.filter(pk=run.pk).update(name="</script><img src=x onerror=alert(1)>")
    client = as_user(people.alice)
    for page in ("", "report/", "predictions/", "try/"):
        text = client.get(f"/runs/{run.uuid}/{page}").content.decode()
        assert "<img src=x" not in text, page
    assert "<img src=x" not in client.get("/runs/").content.decode()


def test_pages_of_a_run_carry_no_inline_script_or_style(people, as_user):
    run = finished_run(people)
    client = as_user(people.alice)
    for page in ("", "report/", "report/print/", "predictions/", "try/", "register/"):
        text = client.get(f"/runs/{run.uuid}/{page}").content.decode()
        assert not re.search(r"\son\w+=|\sstyle=|<style|javascript:", text), page
        for script in re.findall(r"<script[^>]*>", text):
            assert "src=" in script or 'type="application/json"' in script, page
