"""Pages of registered models through HTTP: register, look, describe, try, predict files, download."""

import csv
import hashlib
import io

import pyarrow.parquet as pq
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from registry.models import ModelVersion, PredictionBatch, RegisteredModel
from registry.services.versions import register_run
from registry.web.card_html import card_html
from registry.web.version_page import comparison
from tests.experiments.dataset_help import do_job
from tests.experiments.training_help import finished_run, queued_run, stars_csv
from tests.people import project_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_store")]

VERSION = "/models/star kinds/versions/1/"
PARTS = ("", "card/", "try/", "files/", "programs/")


def registered(people, **changes) -> ModelVersion:
    run = finished_run(people, **changes)
    return register_run(run=run, name="star kinds", by=people.alice)


def read(answer) -> bytes:
    return b"".join(answer.streaming_content)


def test_alice_registers_a_run_under_a_new_name_and_again_as_the_next_version(people, as_user):
    run = finished_run(people)
    client = as_user(people.alice)
    assert "No models yet" in client.get("/models/").content.decode()
    form = client.get(f"/runs/{run.uuid}/register/")
    assert form.status_code == 200
    answer = client.post(
        f"/runs/{run.uuid}/register/", {"name": "  star   kinds ", "description": "Which star?"}
    )
    assert answer.headers["Location"] == "/models/star%20kinds/versions/1/"
    model = RegisteredModel.objects.get()
    assert (model.name, model.description, model.created_by) == (
        "star kinds", "Which star?", people.alice,
    )  # fmt: skip
    again = client.post(f"/runs/{run.uuid}/register/", {"choice": "star kinds"})
    assert again.headers["Location"] == "/models/star%20kinds/versions/1/"
    second = finished_run(people, name="More stars", seed=3)
    page = client.get(f"/runs/{second.uuid}/register/").content.decode()
    assert "<option>star kinds</option>" in page
    client.post(f"/runs/{second.uuid}/register/", {"choice": "star kinds", "name": ""})
    assert list(ModelVersion.objects.values_list("number", flat=True).order_by("number")) == [1, 2]
    detail = client.get("/models/star kinds/").content.decode()
    assert "v1</span>" in detail
    assert "v2</span>" in detail
    listing = client.get("/models/?search=STAR").content.decode()
    assert "/models/star%20kinds/versions/2/" in listing


def test_an_impossible_name_is_refused_on_the_form(people, as_user):
    run = finished_run(people)
    client = as_user(people.alice)
    for name in ("", "../x", "a/b", "a:b", "x" * 257, "ends."):
        answer = client.post(f"/runs/{run.uuid}/register/", {"name": name})
        assert answer.status_code == 400, name
        assert 'class="field-error"' in answer.content.decode()
    assert not RegisteredModel.objects.exists()


def test_a_run_without_a_model_cannot_be_registered(people, as_user):
    run = queued_run(people)
    client = as_user(people.alice)
    assert client.get(f"/runs/{run.uuid}/register/").status_code == 409
    assert client.post(f"/runs/{run.uuid}/register/", {"name": "x"}).status_code == 409


def test_bob_reads_charlie_learns_nothing_and_only_alice_changes(people, as_user):
    version = registered(people)
    alice, bob, charlie = (as_user(p) for p in (people.alice, people.bob, people.charlie))
    for part in PARTS:
        assert alice.get(VERSION + part).status_code == 200, part
        assert bob.get(VERSION + part).status_code == 200, part
        assert charlie.get(VERSION + part).status_code == 404, part
    assert charlie.get(VERSION + "file/").status_code == 404
    project_of((people.charlie, "editor"), name="Moons")
    assert charlie.get("/models/star kinds/").status_code == 404
    assert "star kinds" not in charlie.get("/models/").content.decode()
    assert bob.post("/models/star kinds/edit/", {"description": "x"}).status_code == 403
    assert bob.post(VERSION + "card/", {"card": "x"}).status_code == 403
    assert bob.post(VERSION + "files/", {}).status_code == 403
    assert bob.post(f"/runs/{version.run.uuid}/register/", {"name": "x"}).status_code == 403
    assert charlie.post("/models/star kinds/edit/", {"description": "x"}).status_code == 404
    assert "data-dropzone" not in bob.get(VERSION + "files/").content.decode()
    assert alice.post("/models/star kinds/edit/", {"description": "new"}).status_code == 302
    assert RegisteredModel.objects.get().description == "new"
    assert alice.get("/models/star kinds/versions/2/").status_code == 404
    assert alice.get("/models/nothing/").status_code == 404


def test_the_version_page_tells_its_whole_lineage_and_gives_the_very_bytes(people, as_user):
    version = registered(people)
    client = as_user(people.bob)
    page = client.get(VERSION).content.decode()
    run = version.run
    for said in (
        version.model_blob.sha256, run.uuid, run.spec_digest, run.dataset_version.blob.sha256,
        "stars.csv", "alice",
    ):  # fmt: skip
        assert said in page
    assert "/models/star%20kinds/versions/1/" in client.get(f"/runs/{run.uuid}/").content.decode()
    file = client.get(VERSION + "file/")
    assert hashlib.sha256(read(file)).hexdigest() == version.model_blob.sha256
    assert "star kinds-v1.skops" in file.headers["Content-Disposition"]
    assert "sandbox" in file.headers["Content-Security-Policy"]


def test_the_card_is_edited_as_markdown_and_nothing_in_it_runs(people, as_user):
    registered(people)
    client = as_user(people.alice)
    card = (
        "# Use\n\n| a | b |\n| - | - |\n| 1 | 2 |\n\n<script>alert(1)</script>\n\n"
        "[click](javascript:alert(1)) [ok](https://example.org) ![p](https://example.org/p.png)\n\n"
        "{{ 7*7 }} {% load log %} {{settings.SECRET_KEY}}"
    )
    assert client.post(VERSION + "card/", {"card": card.replace("\n", "\r\n")}).status_code == 302
    assert ModelVersion.objects.get().card == card
    html = client.get(VERSION + "card/").context["html"]
    assert "<h2>Use</h2>" in html
    assert "<td>1</td>" in html
    assert "<script" not in html
    assert "javascript:" not in html.replace("[click](javascript:alert(1))", "")
    assert "<img" not in html
    assert 'href="https://example.org"' in html
    assert "{{ 7*7 }} {% load log %} {{settings.SECRET_KEY}}" in html
    long = client.post(VERSION + "card/", {"card": "x" * 100_001})
    assert long.status_code == 400


def test_raw_html_in_a_card_is_shown_as_text():
    html = card_html('<img src=x onerror="alert(1)"> <svg onload=alert(1)>')
    assert html == ('<p>&lt;img src=x onerror="alert(1)"&gt; &lt;svg onload=alert(1)&gt;</p>\n')


def test_typed_values_are_predicted_on_the_page_of_the_version(people, as_user):
    registered(people)
    client = as_user(people.bob)
    form = client.get(VERSION + "try/").context["try"]
    fields = {field.name: field for field in (*form.first, *form.more)}
    values = {field.key: field.value for field in fields.values()}
    values[fields["size"].key] = "0.5"
    answer = client.post(VERSION + "try/", values)
    assert answer.context["try"].answer.prediction == "=dwarf"
    assert "=dwarf" in answer.content.decode()


def test_a_file_is_predicted_by_a_job_and_leaves_safe_for_spreadsheets(people, as_user):
    registered(people)
    client = as_user(people.alice)
    file = SimpleUploadedFile("new stars.csv", stars_csv(30, seed=1))
    answer = client.post(VERSION + "files/", {"file": file}, headers={"Accept": "application/json"})
    batch = PredictionBatch.objects.get()
    assert (answer.status_code, answer.json()) == (202, {"id": batch.pk})
    waiting = client.get(VERSION + "files/")
    assert waiting.context["batches"][0].place["topic"] == f"prediction:{batch.pk}"
    assert f'data-topic="prediction:{batch.pk}"' in waiting.content.decode()
    assert client.get(f"/predictions/{batch.pk}/?as=csv").status_code == 409
    do_job(batch.job)
    page = client.get(VERSION + "files/")
    assert page.context["batches"][0].place is None
    assert page.context["batches"][0].n_rows == "30"
    safe = list(csv.DictReader(io.StringIO(read(client.get(f"/predictions/{batch.pk}/")).decode())))
    assert len(safe) == 30
    assert {row["prediction"] for row in safe} == {"giant", "'=dwarf"}
    assert {row["kind"] for row in safe} == {"giant", "'=dwarf"}
    stored = client.get(f"/predictions/{batch.pk}/?as=parquet")
    table = pq.read_table(io.BytesIO(read(stored)))
    assert set(table.column("prediction").to_pylist()) == {"giant", "=dwarf"}
    assert client.get(f"/predictions/{batch.pk}/?as=exe").status_code == 400
    assert as_user(people.charlie).get(f"/predictions/{batch.pk}/").status_code == 404


def test_a_file_that_does_not_fit_fails_naming_the_columns(people, as_user):
    registered(people)
    client = as_user(people.alice)
    client.post(VERSION + "files/", {"file": SimpleUploadedFile("a.csv", b"size,other\n1,2\n")})
    batch = PredictionBatch.objects.get()
    assert do_job(batch.job).status == "failed"
    page = client.get(VERSION + "files/").content.decode()
    assert "Missing columns: " in page
    assert "depth" in page


def test_an_empty_or_missing_file_is_refused_both_ways(people, as_user):
    registered(people)
    client = as_user(people.alice)
    as_json = {"Accept": "application/json"}
    none = client.post(VERSION + "files/", {}, headers=as_json)
    assert (none.status_code, none.json()) == (400, {"detail": "Choose one file."})
    empty = client.post(VERSION + "files/", {"file": SimpleUploadedFile("e.csv", b"")})
    assert empty.status_code == 400
    assert "The file is empty." in empty.content.decode()
    assert not PredictionBatch.objects.exists()


def test_programs_get_commands_with_a_placeholder_and_quoted_names(people, as_user):
    registered(people)
    page = as_user(people.bob).get(VERSION + "programs/")
    snippets = page.context["snippets"]
    assert snippets.url.endswith("/api/v1/ml-platform/models/star%20kinds/versions/1/predict/")
    assert "Bearer $ASSAY_TOKEN" in snippets.curl
    compile(snippets.python, "snippet", "exec")


def version_with(number, value, *, higher=True, data=1):
    from experiments.models import Run

    run = Run(model_type="ridge", target="t", dataset_version_id=data)
    metrics = {"rmse": {"value": value, "higher_is_better": higher}}
    return ModelVersion(number=number, run=run, metrics=metrics)


def test_the_best_of_the_versions_is_marked_in_the_direction_of_the_figure():
    low_wins = comparison([version_with(2, 3.0, higher=False), version_with(1, 1.5, higher=False)])
    assert [row.values for row in low_wins.rows] == [[("3", False)], [("1.5", True)]]
    undefined = comparison([version_with(2, None), version_with(1, 0.5)])
    assert [row.values for row in undefined.rows] == [[("—", False)], [("0.5", True)]]
    assert low_wins.same_data
    assert not comparison([version_with(2, 1.0, data=7), version_with(1, 1.0)]).same_data


def test_the_console_shows_versions_to_administrators_and_lets_nobody_change_them(people, as_user):
    version = registered(people)
    root = as_user(people.root)
    for path in ("registry/modelversion", "registry/registeredmodel", "experiments/run"):
        assert root.get(f"/admin/{path}/").status_code == 200, path
    assert root.get(f"/admin/registry/modelversion/{version.pk}/change/").status_code == 200
    assert root.post(f"/admin/registry/modelversion/{version.pk}/delete/").status_code == 403
    assert root.post(f"/admin/experiments/run/{version.run_id}/delete/").status_code == 403
    assert root.get("/admin/registry/modelversion/add/").status_code == 403
    assert ModelVersion.objects.filter(pk=version.pk).exists()
