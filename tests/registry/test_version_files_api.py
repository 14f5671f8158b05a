"""Files of a model version over the protocol: of our store only, held as they were registered."""

import pytest

from tests.experiments.artifact_help import folder_of, make_run, put
from tests.experiments.protocol_help import ProtocolClient
from tests.people import project_of

pytestmark = pytest.mark.usefixtures("own_store")
FILE = "/model-versions/get-artifact"


@pytest.fixture
def run(people):
    return make_run(people.project)


@pytest.fixture
def alice(people):
    return ProtocolClient(people.alice)


@pytest.fixture
def version(people, alice, run):
    """Version 1 of "stars": the folder `model` of a run."""
    put(people.alice, f"{folder_of(run)}/model/MLmodel", b"flavors")
    put(people.alice, f"{folder_of(run)}/other.txt", b"beside")
    alice.post("registered-models/create", {"name": "stars"})
    source = f"mlflow-artifacts:/{folder_of(run)}/model"
    made = alice.post(
        "model-versions/create", {"name": "stars", "source": source, "run_id": run.uuid}
    )
    assert made.status_code == 200, made.content
    return {"name": "stars", "version": "1"}


def test_a_file_of_a_version_comes_by_name_and_number(people, version):
    answer = ProtocolClient(people.bob).get(FILE, {**version, "path": "MLmodel"})
    assert (answer.status_code, answer.getvalue()) == (200, b"flavors")
    assert answer.headers["Content-Disposition"] == "attachment; filename=MLmodel"


@pytest.mark.parametrize("path", ["../other.txt", "%2e%2e/other.txt", "/etc/passwd", "a#b", ".."])
def test_a_path_does_not_leave_the_version(alice, version, path):
    answer = alice.get(FILE, {**version, "path": path})
    assert answer.status_code == 400
    assert "Invalid path" in answer.json()["message"]


def test_what_is_missing_is_named_and_strangers_learn_nothing(people, alice, version):
    assert alice.get(FILE, {**version, "path": "absent"}).status_code == 404
    missing = alice.get(FILE, version)
    assert missing.status_code == 400
    assert "Missing value for required parameter 'path'" in missing.json()["message"]
    project_of((people.charlie, "administrator"), name="Elsewhere")
    hidden = ProtocolClient(people.charlie).get(FILE, {**version, "path": "MLmodel"})
    assert hidden.status_code == 404
    assert ProtocolClient().get(FILE, {**version, "path": "MLmodel"}).status_code == 401


def test_the_folder_of_a_version_cannot_be_changed_until_it_is_deleted(alice, run, version):
    address = f"/api/2.0/mlflow-artifacts/artifacts/{folder_of(run)}/model/MLmodel"
    refused = alice.call("PUT", address, b"swapped")
    assert (refused.status_code, refused.json()["error_code"]) == (409, "RESOURCE_CONFLICT")
    assert "stars version 1" in refused.json()["message"]
    assert alice.delete(address).status_code == 409
    assert alice.delete("model-versions/delete", version).status_code == 200
    assert alice.call("PUT", address, b"swapped").status_code == 200


@pytest.mark.parametrize(
    "source", ["s3://bucket/model", "https://elsewhere/model", "s3://bucket/nosuch"]
)
def test_files_kept_elsewhere_are_not_found_whether_they_exist_or_not(alice, version, source):
    made = alice.post("model-versions/create", {"name": "stars", "source": source})
    assert made.status_code == 200, made.content
    answer = alice.get(FILE, {"name": "stars", "version": "2", "path": "MLmodel"})
    assert (answer.status_code, answer.json()["message"]) == (404, "No such file.")


@pytest.mark.parametrize(
    "source",
    [
        "file:///etc", "file:///nosuch", "file://./etc", "//proc/self/root", "file:etc",
        "FILE:///etc", "C:\\", "\\\\host\\share", "s3://b/../../etc", "%66ile:///etc", "/etc",
    ],
)  # fmt: skip
def test_a_source_on_this_machine_is_refused_alike_whether_it_exists_or_not(alice, version, source):
    answer = alice.post(
        "model-versions/create",
        {
            "name": "stars", "source": source,
            "tags": [{"key": "mlflow.prompt.is_prompt", "value": "true"}],
        },
    )  # fmt: skip
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
