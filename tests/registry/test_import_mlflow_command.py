"""Importing what MLflow wrote, by the command that people type."""

import json
import math
import os
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from assets.storage import open_blob
from experiments.models import ArtifactFile, Experiment, LoggedModel, Run, RunModel
from experiments.selectors.stored_points import points_by_key
from registry.models import ModelVersion, RegisteredModel
from tests.importing_help import (
    GONE,
    MODEL,
    RUN,
    STARTED_MS,
    make_database,
    make_folder,
    run_yaml,
    write,
)
from tests.people import person, project_of

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def people() -> None:
    project_of((person("alice"), "editor"), (person("bob"), "viewer"), name="Stars")


def bring(source: object, *options: str, status: int = 0, user: str = "alice") -> str:
    """Import as a person; return the report, after checking the exit status."""
    out = StringIO()
    arguments = [str(source), "--project", "stars", "--user", user, *options]
    if status:
        with pytest.raises(SystemExit) as ended:
            call_command("import_mlflow", *arguments, stdout=out)
        assert ended.value.code == status
    else:
        call_command("import_mlflow", *arguments, stdout=out)
    return out.getvalue()


def rows() -> dict[str, int]:
    kinds = (Experiment, Run, LoggedModel, RunModel, ArtifactFile, RegisteredModel, ModelVersion)
    return {kind.__name__: kind.objects.count() for kind in kinds}


def test_folder_comes_whole(tmp_path: Path) -> None:
    report = bring(make_folder(tmp_path))
    assert report.endswith("Everything is here.\n")
    run = Run.objects.get(uuid=RUN)
    assert (run.name, run.user_name, run.status) == ("first try", "carol", "completed")
    assert (run.start_ms, run.end_ms) == (STARTED_MS, STARTED_MS + 5)
    assert dict(run.params.values_list("key__name", "value")) == {"layers/0": "64", "empty": ""}
    assert dict(run.tags.values_list("key__name", "value")) == {"note": "with 'quotes'"}
    assert run.experiment.name == "Pulsars"
    assert run.experiment.tags.get().value == "red\nand blue"
    assert run.dataset_inputs.get().context == "training"
    assert Run.objects.get(uuid=GONE).lifecycle == "deleted"


def test_points_come_each_once_and_exactly(tmp_path: Path) -> None:
    bring(make_folder(tmp_path))
    series = dict(points_by_key(Run.objects.get(uuid=RUN).pk))
    assert series["loss"] == [(STARTED_MS + step, step, 1 / (step + 1)) for step in range(300)]
    (first, second) = series["odd"]
    assert first == (STARTED_MS, -5, -1.7976931348623157e308)
    assert second[:2] == (STARTED_MS, 0)
    assert math.isnan(second[2])


def test_newest_points_are_folded_at_once(tmp_path: Path) -> None:
    bring(make_folder(tmp_path))
    run = Run.objects.get(uuid=RUN)
    assert run.latest_metrics.get(key__name="loss").step == 299
    assert run.dirty == 0


def test_files_come_as_opaque_bytes(tmp_path: Path) -> None:
    bring(make_folder(tmp_path))
    run = Run.objects.get(uuid=RUN)
    prefix = f"{run.experiment_id}/{RUN}/artifacts/"
    files = {file.path.removeprefix(prefix): file for file in run.artifact_files.all()}
    assert set(files) == {"deep/with space.txt", "model.pkl"}
    with open_blob(files["model.pkl"].blob.sha256) as stored:
        assert stored.read().startswith(b"cos\nsystem")


def test_models_come_with_versions_and_aliases(tmp_path: Path) -> None:
    bring(make_folder(tmp_path))
    model = LoggedModel.objects.get(model_id=MODEL)
    assert (model.name, model.source_run.uuid) == ("forest", RUN)
    assert model.metrics.get().value == 0.5
    assert model.run_edges.get().step == 7
    version = ModelVersion.objects.get()
    assert (version.number, version.stage, version.logged_model) == (1, "Production", model)
    assert version.storage_location == (
        f"mlflow-artifacts:/{model.experiment_id}/models/{MODEL}/artifacts"
    )
    registered = version.model
    assert (registered.last_number, registered.aliases.get().name) == (2, "champion")


def test_files_of_an_imported_version_are_frozen(tmp_path: Path) -> None:
    bring(make_folder(tmp_path))
    experiment = Experiment.objects.get(name="Pulsars")
    frozen = experiment.project.frozen_folders.get()
    assert frozen.prefix == f"{experiment.pk}/models/{MODEL}/artifacts"


def test_second_import_changes_nothing(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    bring(folder)
    before, version = rows(), Run.objects.get(uuid=RUN).version
    report = bring(folder)
    assert rows() == before
    assert Run.objects.get(uuid=RUN).version == version
    written = {line.split()[-2] for line in report.splitlines()[1:-2] if "number" not in line}
    assert written == {"0"}


def test_what_is_missing_is_added_again(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    bring(folder)
    run = Run.objects.get(uuid=RUN)
    run.metric_tails.first().delete()
    run.params.first().delete()
    run.artifact_files.first().delete()
    assert "differ" in bring(folder, "--verify-only", status=1)
    assert bring(folder).endswith("Everything is here.\n")


def test_difference_is_named_and_nothing_written_over(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    bring(folder)
    run = Run.objects.get(uuid=RUN)
    run.params.filter(key__name="layers/0").update(value="128")
    report = bring(folder, status=1)
    assert f"run {RUN}: params differ" in report
    assert run.params.get(key__name="layers/0").value == "128"


def test_dry_run_writes_nothing(tmp_path: Path) -> None:
    before = rows()
    report = bring(make_folder(tmp_path), "--dry-run")
    assert rows() == before
    assert "302" in report


def test_viewer_and_stranger_are_refused(tmp_path: Path) -> None:
    person("charlie")
    for name in ("bob", "charlie", "nobody"):
        with pytest.raises(CommandError):
            bring(make_folder(tmp_path / name), user=name)
    assert not Run.objects.exists()


def test_number_of_an_experiment_stays_if_it_is_free(tmp_path: Path) -> None:
    bring(make_database(tmp_path / "mlflow.db"))
    assert Experiment.objects.get(name="Pulsars").pk == 7
    later = Experiment.objects.create(
        project=Experiment.objects.get(pk=7).project, name="later",
        created_at="2026-01-01T00:00Z", updated_at="2026-01-01T00:00Z",
    )  # fmt: skip
    assert later.pk > 7


def test_taken_number_is_replaced_and_reported(tmp_path: Path) -> None:
    project = project_of(name="Stars")
    Experiment.objects.create(
        pk=7, project=project, name="Mine", created_at="2026-01-01T00:00Z",
        updated_at="2026-01-01T00:00Z",
    )  # fmt: skip
    report = bring(make_database(tmp_path / "mlflow.db"))
    brought = Experiment.objects.get(name="Pulsars")
    assert f"experiment 7 of the source has the number {brought.pk} here" in report


def test_database_of_an_old_release_is_read(tmp_path: Path) -> None:
    bring(make_database(tmp_path / "mlflow.db"))
    series = dict(points_by_key(Run.objects.get(uuid=RUN).pk))
    assert len(series["loss"]) == 20
    assert math.isnan(series["loss"][3][2])


def test_database_is_not_changed(tmp_path: Path) -> None:
    url = make_database(tmp_path / "mlflow.db")
    before = (tmp_path / "mlflow.db").read_bytes()
    bring(url)
    assert (tmp_path / "mlflow.db").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["mlflow.db"]


@pytest.mark.parametrize(
    "statement",
    [
        f"INSERT INTO params VALUES ('big', '{'x' * 200_000}', '{RUN}')",
        f"INSERT INTO params VALUES ('{'k' * 300}', '1', '{RUN}')",
        f"INSERT INTO tags VALUES ('blob', x'0001', '{RUN}')",
        f"INSERT INTO tags VALUES ('zero', 'a' || char(0), '{RUN}')",
        f"INSERT INTO metrics VALUES ('word', 'many', 1, '{RUN}', 0, 0)",
        f"INSERT INTO metrics VALUES ('far', 1.0, 1, '{RUN}', 1e300, 0)",
        "INSERT INTO runs VALUES ('../../etc', 'x', '', 'FINISHED', 1, 1, NULL, 'active', '', 7)",
        f"INSERT INTO runs VALUES ('{GONE}', 'x', '', 'DANCING', 1, 1, NULL, 'active', '', 7)",
        f"INSERT INTO runs VALUES ('{GONE}', 'x', '', 'FINISHED', 'soon', 1, NULL, 'active', '', 7)",
        f"INSERT INTO experiments VALUES (8, '{'n' * 10_000_000}', '', 'active', 1, 1)",
        "INSERT INTO runs VALUES ('" + GONE + "', 'x', '', 'FINISHED', 1, 1, NULL, 'active',"
        " 's3://bucket/key', 7)",
        "INSERT INTO runs VALUES ('" + GONE + "', 'x', '', 'FINISHED', 1, 1, NULL, 'active',"
        " '/etc', 7)",
    ],
)  # fmt: skip
def test_what_does_not_fit_is_left_out_by_name(tmp_path: Path, statement: str) -> None:
    report = bring(make_database(tmp_path / "mlflow.db", statement), status=1)
    assert "left out: " in report
    assert len(report) < 10_000
    assert len(dict(points_by_key(Run.objects.get(uuid=RUN).pk))["loss"]) == 20
    assert not ArtifactFile.objects.exists()


def test_view_that_poses_as_a_table_is_not_read(tmp_path: Path) -> None:
    url = make_database(
        tmp_path / "mlflow.db",
        "DROP TABLE params; CREATE VIEW params AS SELECT 'k' AS key, 'v' AS value,"
        f" '{RUN}' AS run_uuid",
    )
    bring(url)
    assert not Run.objects.get(uuid=RUN).params.exists()


def test_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    path.write_bytes(os.urandom(5000))
    for source in (f"sqlite:///{path}", f"sqlite:///{tmp_path}/none.db", f"{tmp_path}/none",
                   "ftp://example.org", "sqlite://"):  # fmt: skip
        with pytest.raises(CommandError):
            bring(source)


HOSTILE_YAML = {
    "a tag that would run code": "run_id: !!python/object/apply:os.system ['touch {marker}']\n",
    "aliases that grow": "a: &a [x, x]\nb: &b [*a, *a]\nrun_id: [*b, *b]\n",
    "deep nesting": "run_id: " + "[" * 5000 + "]" * 5000 + "\n",
    "no mapping": "- run_id\n",
    "broken": "run_id: 'open\n",
    "huge": "run_id: " + "x" * 21_000_000 + "\n",
    "not text": "run_id: \udcff\n",
}


@pytest.mark.parametrize("kind", HOSTILE_YAML)
def test_hostile_yaml_is_left_out(tmp_path: Path, kind: str) -> None:
    folder = make_folder(tmp_path)
    marker = tmp_path / "executed"
    meta = next(folder.glob(f"*/{GONE}/meta.yaml"))
    text = HOSTILE_YAML[kind].replace("{marker}", str(marker))
    meta.write_bytes(text.encode("utf-8", "surrogateescape"))
    report = bring(folder, status=1)
    assert f"left out: run {GONE}: meta.yaml" in report
    assert not marker.exists()
    assert Run.objects.get(uuid=RUN)


def test_links_that_lead_out_of_the_folder_are_not_followed(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    secret = tmp_path / "secret"
    write(secret / "key", "do not read")
    run = next(folder.glob(f"*/{RUN}"))
    (run / "params" / "stolen").symlink_to(secret / "key")
    (run / "artifacts" / "zz.txt").symlink_to(secret / "key")
    (folder / "99").symlink_to(secret)
    report = bring(folder, status=1)
    assert report.count("outside the source's folders") == 3
    assert set(Run.objects.get(uuid=RUN).params.values_list("key__name", flat=True)) == {
        "layers/0", "empty",
    }  # fmt: skip
    assert not ArtifactFile.objects.filter(path__endswith="zz.txt").exists()


def test_location_outside_the_folder_means_the_folder_itself(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    meta = next(folder.glob(f"*/{RUN}/meta.yaml"))
    meta.write_text(run_yaml(RUN, "/etc"))
    bring(folder)
    assert Run.objects.get(uuid=RUN).artifact_files.count() == 2


def test_named_folder_may_be_read_too(tmp_path: Path) -> None:
    served = tmp_path / "served"
    write(served / "7" / GONE / "artifacts" / "a.txt", "hello")
    url = make_database(
        tmp_path / "mlflow.db",
        f"INSERT INTO runs VALUES ('{GONE}', 'x', '', 'FINISHED', 1, 1, NULL, 'active',"
        f" 'mlflow-artifacts:/7/{GONE}/artifacts', 7)",
    )
    bring(url, status=1)
    bring(url, "--artifacts", str(served))
    assert ArtifactFile.objects.get().path == f"7/{GONE}/artifacts/a.txt"


Answer = tuple[int, dict[str, str], bytes]


@pytest.fixture
def hostile_server() -> object:
    """Serve what a test says; yield its address and the paths that were asked for."""
    asked: list[str] = []
    script: dict[str, Callable[[], Answer]] = {}

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            path = self.path.partition("?")[0].rpartition("/2.0/mlflow/")[2] or self.path
            asked.append(self.path)
            status, headers, body = script.get(path, lambda: (200, {}, b"{}"))()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = answer  # noqa: N815  # names that the library asks for

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked, script
    server.shutdown()
    thread.join()
    server.server_close()


def says(what: object) -> Callable[[], Answer]:
    return lambda: (200, {}, json.dumps(what).encode())


def hostile_run(uri: str = "x") -> dict[str, object]:
    info = {"run_id": RUN, "run_name": "x", "status": "FINISHED", "artifact_uri": uri}
    return {"info": info | {"lifecycle_stage": "active"}, "data": {}}


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "..", "", "a/../../b"])
def test_server_cannot_name_files_elsewhere(hostile_server, name: str) -> None:
    url, asked, script = hostile_server
    script["experiments/search"] = says({"experiments": [{"experiment_id": "1", "name": "E"}]})
    script["runs/search"] = says({"runs": [hostile_run()]})
    script["artifacts/list"] = says({"files": [{"path": name, "is_dir": False}]})
    assert "a listing names" in bring(url, status=1)
    assert not any("get-artifact" in path for path in asked)


def test_server_cannot_send_us_elsewhere(hostile_server) -> None:
    url, asked, script = hostile_server
    script["experiments/search"] = lambda: (302, {"Location": "http://127.0.0.1:9/x"}, b"")
    assert "status 302" in bring(url, status=1)


def test_server_that_repeats_a_page_is_left(hostile_server) -> None:
    url, _, script = hostile_server
    page = {"experiments": [{"experiment_id": "1", "name": "E"}], "next_page_token": "again"}
    script["experiments/search"] = says(page)
    assert "the same page comes again" in bring(url, status=1)


def test_server_without_json_is_left(hostile_server) -> None:
    url, _, script = hostile_server
    script["experiments/search"] = lambda: (200, {}, b"[" * 100_000)
    assert "no JSON" in bring(url, status=1)
