"""A training's model as files that clients of the protocol can load."""

import json
import os
import subprocess

import pytest

from assets.storage import open_blob
from experiments.models import ArtifactFile
from experiments.selectors.artifact_places import place_in_run
from experiments.selectors.artifacts import list_folder
from experiments.services.model_folder import MODEL_FILE, MODEL_FOLDER, keep_model_folder
from platform_site.core.transactions import write_transaction
from registry.services.trained import OWN_FOLDER
from registry.services.versions import register_run
from registry.serving import client_folder
from tests.experiments.training_help import finished_run, regression_run

pytestmark = pytest.mark.usefixtures("own_store")


def text_of(run, name) -> str:
    file = ArtifactFile.objects.select_related("blob").get(run=run, path__endswith=f"/{name}")
    with open_blob(file.blob.sha256) as stored:
        return stored.read().decode()


def test_all_parts_agree_on_the_names():
    assert (MODEL_FOLDER, MODEL_FILE) == (OWN_FOLDER, client_folder.MODEL_FILE)


@pytest.mark.django_db(transaction=True)
def test_a_finished_training_lists_its_model_with_what_clients_need_beside_it(people):
    run = finished_run(people, model_type="random_forest", hyperparameters={"n_estimators": 5})
    names = [entry.name for entry in list_folder(place_in_run(run, "model"))]
    assert names == ["MLmodel", "model.skops", "python_env.yaml", "requirements.txt"]
    model = ArtifactFile.objects.get(run=run, path__endswith="/model.skops")
    assert model.blob_id == run.model_blob_id
    description = text_of(run, "MLmodel")
    assert 'loader_module: "mlflow.sklearn"' in description
    assert '- "sklearn.tree._tree.Tree"' in description
    assert f'run_id: "{run.uuid}"' in description
    assert f"model_size_bytes: {model.size_bytes}" in description
    assert "scikit-learn==" in text_of(run, "requirements.txt")


@pytest.mark.django_db(transaction=True)
def test_keeping_the_same_files_again_is_fine_while_a_version_holds_them(people):
    run = finished_run(people)
    register_run(run=run, name="stars", by=people.alice)
    blob = run.model_blob
    with write_transaction():
        keep_model_folder(run, {MODEL_FILE: blob})
    assert ArtifactFile.objects.filter(run=run).count() == 4


LOADER = """
import json, sys
import mlflow.pyfunc, mlflow.sklearn, pandas
rows = pandas.DataFrame(json.load(sys.stdin))
loaded = mlflow.pyfunc.load_model(sys.argv[1])
print(json.dumps([str(one) for one in loaded.predict(rows)]))
assert list(mlflow.sklearn.load_model(sys.argv[1]).predict(rows)) == list(loaded.predict(rows))
"""


@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get("MLFLOW3_PYTHON"), reason="MLFLOW3_PYTHON names no client")
@pytest.mark.parametrize("make", [finished_run, regression_run])
@pytest.mark.django_db(transaction=True)
def test_a_client_loads_our_model_and_predicts_as_we_do(people, tmp_path, make):
    from registry.serving.persistence import load_model

    run = make(people)
    folder = tmp_path / "downloaded"
    folder.mkdir()
    for file in ArtifactFile.objects.select_related("blob").filter(run=run):
        with open_blob(file.blob.sha256) as stored:
            (folder / file.path.rpartition("/")[2]).write_bytes(stored.read())
    names = [feature["name"] for feature in run.model_manifest["features"]]
    rows = [
        {"size": 2.0, "depth": 1.5, "colour": "red", "hot": 1.0},
        {"size": 9.0, "depth": 1.1, "colour": "blue", "hot": 0.0},
    ]
    rows = [{name: row[name] for name in names} for row in rows]
    done = subprocess.run(
        [os.environ["MLFLOW3_PYTHON"], "-c", LOADER, str(folder)],
        input=json.dumps(rows), capture_output=True, text=True, check=False, timeout=100,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    import pandas as pd

    ours = load_model(folder / "model.skops", run.model_manifest).pipeline.predict(
        pd.DataFrame(rows)
    )
    assert json.loads(done.stdout.splitlines()[-1]) == [str(one) for one in ours]
