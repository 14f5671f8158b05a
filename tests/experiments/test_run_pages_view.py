"""Pages of a run that a client logs: overview, editing, charts, files; and comparing runs."""

import json
import math

import pytest

from assets.storage import write_blob
from experiments.models import DatasetInput, LoggedDataset, LoggedModel, Run
from experiments.selectors.artifact_places import place_in_run
from experiments.services.artifacts import put_file
from experiments.tracking.operations import LogBatch
from tests.experiments.test_run_table_view import logged
from tests.experiments.tracking_help import caller, experiment_of, new_run, write

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def run(people) -> Run:
    return logged(
        people,
        "amber",
        metrics={"loss": 0.5, "system/cpu": 40.0},
        params={"lr": "0.1"},
        tags={
            "team": "crimson",
            "mlflow.note.content": "# Found\n\n<img src=x onerror=alert(1)>",
            "mlflow.source.git.commit": "0123456789abcdef",
        },
    )


def put(run: Run, path: str, data: bytes, user) -> None:
    put_file(place=place_in_run(run, path), stored=write_blob([data]), by_id=user.pk)


def test_the_overview_says_what_was_logged_and_where_it_came_from(people, as_user, run):
    moment = experiment_of(people.project).created_at
    data = LoggedDataset.objects.create(
        experiment=run.experiment, name="galaxies", digest="abc", source_type="http"
    )
    DatasetInput.objects.create(run=run, dataset=data, context="training")
    LoggedModel.objects.create(
        model_id=f"m-{'0' * 32}", experiment=run.experiment, name="net", source_run=run,
        created_by=people.alice, created_ms=1, updated_ms=1,
    )  # fmt: skip
    assert moment is not None
    text = as_user(people.bob).get(f"/runs/{run.uuid}/").content.decode()
    for shown in ("0.5", "lr", "crimson", "0123456789ab", "galaxies", "training", "net", "Found"):
        assert shown in text, shown
    assert "<img src=x" not in text
    assert as_user(people.charlie).get(f"/runs/{run.uuid}/").status_code == 404


def test_parent_and_children_lead_to_one_another(people, as_user, run):
    child = logged(people, "leaf", tags={"mlflow.parentRunId": run.uuid})
    client = as_user(people.bob)
    assert f"/runs/{run.uuid}/" in client.get(f"/runs/{child.uuid}/").content.decode()
    text = client.get(f"/runs/{run.uuid}/children/").content.decode()
    assert f"/runs/{child.uuid}/" in text
    assert client.get(f"/runs/{child.uuid}/children/").content.decode().strip() == ""
    assert as_user(people.charlie).get(f"/runs/{run.uuid}/children/").status_code == 404


def test_editors_change_name_note_tags_and_lifecycle(people, as_user, run):
    alice, edit = as_user(people.alice), f"/runs/{run.uuid}/edit/"
    alice.post(f"/runs/{run.uuid}/rename/", {"name": "amber two"})
    alice.post(edit, {"action": "note", "text": "**better**"})
    alice.post(edit, {"action": "tag", "key": "stage", "value": "final"})
    alice.post(edit, {"action": "untag", "key": "team"})
    text = alice.get(f"/runs/{run.uuid}/").content.decode()
    assert "amber two" in text
    assert "<strong>better</strong>" in text
    assert "final" in text
    assert "crimson" not in text.split("run-tags", 1)[1].split("</section>")[0]
    alice.post(edit, {"action": "delete"})
    run.refresh_from_db()
    assert run.lifecycle == "deleted"
    alice.post(edit, {"action": "restore"})
    run.refresh_from_db()
    assert run.lifecycle == "active"
    assert alice.post(edit, {"action": "untag", "key": "gone"}).status_code == 404
    assert alice.post(edit, {"action": "tag", "key": " ", "value": "x"}).status_code == 400
    assert alice.post(edit, {"action": "burn"}).status_code == 400


def test_the_wish_to_stop_is_a_tag_that_programs_can_read(people, as_user, run):
    alice, edit = as_user(people.alice), f"/runs/{run.uuid}/edit/"
    assert 'value="stop"' in alice.get(f"/runs/{run.uuid}/").content.decode()
    assert alice.post(edit, {"action": "stop"}).status_code == 302
    assert run.tags.filter(key__name="assay.stop").values_list("value", flat=True)[0] == "true"
    assert 'value="stop"' not in alice.get(f"/runs/{run.uuid}/").content.decode()
    Run.objects.filter(pk=run.pk).update(status="completed")
    assert alice.post(edit, {"action": "stop"}).status_code == 409


def test_viewers_and_strangers_change_nothing_and_see_no_such_buttons(people, as_user, run):
    text = as_user(people.bob).get(f"/runs/{run.uuid}/").content.decode()
    assert f"/runs/{run.uuid}/edit/" not in text
    assert f"/runs/{run.uuid}/rename/" not in text
    for user, status in ((people.bob, 403), (people.charlie, 404)):
        for action in ("note", "tag", "untag", "delete", "restore", "stop"):
            wanted = {"action": action, "key": "a", "value": "b"}
            answer = as_user(user).post(f"/runs/{run.uuid}/edit/", wanted)
            assert answer.status_code == status, action


def test_a_change_by_hand_is_told_to_followers(people, as_user, run):
    from platform_site.events.models import Event

    as_user(people.alice).post(
        f"/runs/{run.uuid}/edit/", {"action": "tag", "key": "stage", "value": "final"}
    )
    told = list(Event.objects.filter(topic__key=f"run:{run.uuid}").values_list("kind", flat=True))
    assert "run.labels" in told
    project = Event.objects.filter(topic__key=f"project:{people.project.pk}")
    assert "run.labels" not in project.values_list("kind", flat=True)
    assert "runs.changed" in project.values_list("kind", flat=True)


def test_no_spike_is_lost_however_few_buckets_are_asked_for(people, as_user):
    run = new_run(people.alice, people.project, name="long")
    points = [("loss", step, 1_000 + step, 1.0) for step in range(5_000)]
    points[3_333] = ("loss", 3_333, 4_333, 99.0)
    points[4_000] = ("loss", 4_000, 5_000, math.nan)
    for at in range(0, 5_000, 1_000):
        write(LogBatch(run.uuid, caller(people.alice), metrics=points[at : at + 1_000]))
    client, address = as_user(people.bob), f"/runs/{run.uuid}/series/?key=loss"
    whole = client.get(f"{address}&buckets=20").json()["series"]["loss"]
    assert len(whole) <= 20
    assert max(high for _, _, high, _, _ in whole) == 99.0
    assert sum(n for *_, n in whole) == 5_000
    part = client.get(f"{address}&buckets=100&first=3330&last=3336").json()["series"]["loss"]
    assert [x for x, *_ in part] == list(range(3330, 3337))
    by_time = client.get(f"{address}&by=time&buckets=20").json()["series"]["loss"]
    assert by_time[0][0] >= 1_000
    json.dumps(whole, allow_nan=False)


def test_bad_questions_about_series_are_refused(people, as_user, run):
    client, address = as_user(people.bob), f"/runs/{run.uuid}/series/"
    for query in ("", "?key=a&by=clock", "?key=a&first=x", "?key=a&buckets=0"):
        assert client.get(address + query).status_code == 400, query
    assert client.get(f"{address}?key=nobody").json()["series"] == {"nobody": []}
    assert as_user(people.charlie).get(f"{address}?key=loss").status_code == 404


def test_metrics_of_the_machine_have_a_tab_of_their_own(people, as_user, run):
    client = as_user(people.bob)
    charts = client.get(f"/runs/{run.uuid}/charts/")
    assert charts.context["data"]["keys"] == ["loss"]
    assert f"/runs/{run.uuid}/system/" in charts.content.decode()
    assert client.get(f"/runs/{run.uuid}/system/").context["data"]["keys"] == ["system/cpu"]
    for part in ("charts", "system", "artifacts"):
        assert as_user(people.charlie).get(f"/runs/{run.uuid}/{part}/").status_code == 404


@pytest.mark.usefixtures("own_store")
def test_files_are_listed_and_shown_by_their_kind(people, as_user, run):
    put(run, "a/notes.txt", b"<b>plain</b>", people.alice)
    put(run, "a/rows.csv", b"x,y\n1,2\n", people.alice)
    put(run, "page.html", b"<script>alert(1)</script>", people.alice)
    put(run, "plot.png", b"\x89PNG", people.alice)
    put(run, "weights.bin", b"\x00\x01", people.alice)
    client, address = as_user(people.bob), f"/runs/{run.uuid}/artifacts/"
    top = client.get(address)
    assert [path for _, path in top.context["folder"].entries] == [
        "a", "page.html", "plot.png", "weights.bin",
    ]  # fmt: skip
    text = client.get(f"{address}?path=a/notes.txt").content.decode()
    assert "&lt;b&gt;plain&lt;/b&gt;" in text
    assert client.get(f"{address}?path=a/rows.csv").context["preview"].rows == [["1", "2"]]
    page = client.get(f"{address}?path=page.html").content.decode()
    assert 'sandbox="allow-scripts"' in page
    assert client.get(f"{address}?path=weights.bin").context["preview"].kind == "none"
    assert client.get(f"{address}?path=gone").status_code == 404
    assert client.get(f"{address}?path=../../etc/passwd").status_code == 400


@pytest.mark.usefixtures("own_store")
def test_what_a_client_stored_never_runs_as_a_page_of_ours(people, as_user, run):
    put(run, "page.html", b"<script>alert(1)</script>", people.alice)
    put(run, "plot.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", people.alice)
    address = f"/runs/{run.uuid}/artifacts/file/"
    client = as_user(people.bob)
    plain = client.get(f"{address}?path=page.html")
    assert plain.headers["Content-Disposition"].startswith("attachment")
    assert plain.headers["Content-Type"] == "application/octet-stream"
    shown = client.get(f"{address}?path=page.html&show=1")
    policy = shown.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox allow-scripts;")
    assert "allow-same-origin" not in policy
    assert "default-src 'none'" in policy
    assert shown.headers["X-Content-Type-Options"] == "nosniff"
    picture = client.get(f"{address}?path=plot.svg&show=1")
    assert picture.headers["Content-Type"] == "image/svg+xml"
    assert picture.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert as_user(people.charlie).get(f"{address}?path=page.html").status_code == 404


def comparing(*runs: Run) -> str:
    return "/compare/?runs=" + ",".join(run.uuid for run in runs)


def test_only_what_differs_is_compared_unless_all_is_wanted(people, as_user):
    one = logged(people, "one", metrics={"loss": 0.5, "same": 1.0}, params={"lr": "1", "opt": "a"})
    two = logged(people, "two", metrics={"loss": 0.25, "same": 1.0}, params={"lr": "2", "opt": "a"})
    three = logged(people, "three", metrics={"loss": math.nan, "same": 1.0}, params={"lr": "2", "opt": "a", "x": "9"})  # fmt: skip
    client = as_user(people.bob)
    answer = client.get(comparing(one, two, three))
    keys = {kind: [row.column.key for row in rows] for kind, rows, _ in answer.context["tables"]}
    assert keys["params"] == ["lr", "x"]
    assert keys["metrics"] == ["loss"]
    ((_, loss, _),) = [t for t in answer.context["tables"] if t[0] == "metrics"]
    assert [cell.text for cell in loss[0].cells] == ["0.5", "0.25", "NaN"]
    assert [cell.is_best for cell in loss[0].cells] == [False, True, False]
    everything = client.get(comparing(one, two, three) + "&all=1")
    keys = {kind: [row.column.key for row in rows] for kind, rows, _ in everything.context["tables"]}  # fmt: skip
    assert keys["params"] == ["lr", "opt", "x"]
    assert keys["metrics"] == ["loss", "same"]


def test_curves_of_the_compared_runs_come_together(people, as_user):
    one, two = (logged(people, name, metrics={"loss": 0.5}) for name in ("one", "two"))
    address = comparing(one, two).replace("/compare/", "/compare/series/")
    found = as_user(people.bob).get(f"{address}&key=loss").json()["series"]
    assert [(line["run"], line["points"][0][3]) for line in found] == [
        (one.uuid, 0.5), (two.uuid, 0.5),
    ]  # fmt: skip
    assert as_user(people.charlie).get(f"{address}&key=loss").status_code == 404


def test_comparing_needs_two_to_a_hundred_runs_that_one_may_see(people, as_user, run):
    client = as_user(people.bob)
    assert client.get(comparing(run)).status_code == 400
    assert client.get("/compare/?runs=" + ",".join(f"{n:032x}" for n in range(101))).status_code == 400  # fmt: skip
    assert client.get(f"/compare/?runs={run.uuid},{'f' * 32}").status_code == 404
    other = logged(people, "other")
    assert as_user(people.charlie).get(comparing(run, other)).status_code == 404
    form = client.get("/compare/", {"run": [run.uuid, other.uuid]})
    assert form.headers["Location"] == f"/compare/?runs={run.uuid}%2C{other.uuid}".replace("%2C", ",")  # fmt: skip
