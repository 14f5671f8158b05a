"""Writing a project as an `mlruns` folder."""

from io import StringIO
from pathlib import Path

import pytest
import yaml
from django.core.management import CommandError, call_command

from experiments.models import Key, Run, RunParam
from registry.models import RegisteredModel
from tests.importing_help import MODEL, RUN, make_folder
from tests.people import person, project_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    """Import a folder and export it again."""
    project_of((person("alice"), "editor"), name="Stars")
    call_command(
        "import_mlflow", str(make_folder(tmp_path)), project="stars", user="alice",
        stdout=StringIO(),
    )  # fmt: skip
    export(tmp_path / "out")
    return tmp_path / "out"


def export(folder: Path, status: int = 0) -> str:
    out = StringIO()
    if not status:
        call_command("export_mlruns", str(folder), project="stars", stdout=out)
        return out.getvalue()
    with pytest.raises(SystemExit) as ended:
        call_command("export_mlruns", str(folder), project="stars", stdout=out)
    assert ended.value.code == status
    return out.getvalue()


def test_what_is_exported_equals_what_was_imported(exported: Path) -> None:
    out = StringIO()
    call_command(
        "import_mlflow", str(exported), "--verify-only", project="stars", user="alice", stdout=out
    )
    assert out.getvalue().endswith("Everything is here.\n")
    assert "302" in out.getvalue()


def test_locations_point_into_the_export(exported: Path) -> None:
    run = next(exported.glob(f"*/{RUN}"))
    described = yaml.safe_load((run / "meta.yaml").read_text())
    assert described["artifact_uri"] == (run / "artifacts").as_uri()
    version = yaml.safe_load(
        (exported / "models" / "Forest" / "version-1" / "meta.yaml").read_text()
    )
    assert version["storage_location"].endswith(f"/models/{MODEL}/artifacts")
    assert Path(version["storage_location"].removeprefix("file://")).is_dir()


def test_number_of_a_deleted_version_is_not_given_again(exported: Path) -> None:
    deleted = yaml.safe_load(
        (exported / "models" / "Forest" / "version-2" / "meta.yaml").read_text()
    )
    assert deleted["current_stage"] == "Deleted_Internal"


def test_folder_that_holds_something_is_left_alone(exported: Path) -> None:
    with pytest.raises(CommandError, match="not empty"):
        export(exported)


def test_names_that_lead_elsewhere_are_left_out(exported: Path, tmp_path: Path) -> None:
    run = Run.objects.get(uuid=RUN)
    for name in ("../../../../escaped", "/escaped", "a//b", "layers"):
        key = Key.objects.create(name=name)
        RunParam.objects.create(run=run, key=key, value="x")
    RegisteredModel.objects.update(name="../../escaped")
    report = export(tmp_path / "again", status=1)
    assert report.count("left out: ") == 5
    assert not list(tmp_path.rglob("*escaped*"))
