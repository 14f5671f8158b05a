"""Logging, registering, finding and loading models."""

import mlflow
import mlflow.pyfunc
from checks import IS_3, answer, refused, unique
from mlflow import MlflowClient


class AddN(mlflow.pyfunc.PythonModel):
    """Adds a number."""

    def __init__(self, n: int) -> None:
        self.n = n

    def predict(self, context, model_input: list[float], params=None) -> list[float]:
        return [value + self.n for value in model_input]


client = MlflowClient()
mlflow.set_experiment(unique("models"))
name = unique("adder")


def log(n: int, **more):
    where = {"name": "adder"} if IS_3 else {"artifact_path": "adder"}
    with mlflow.start_run() as run:
        mlflow.log_param("n", n)
        info = mlflow.pyfunc.log_model(python_model=AddN(n), **where, **more)
    return run, info


first_run, first = log(1, registered_model_name=name)
second_run, second = log(2)
version = mlflow.register_model(second.model_uri, name)
assert str(version.version) == "2", version
client.set_registered_model_alias(name, "champion", "2")
client.set_model_version_tag(name, "1", "k", "v")
client.update_registered_model(name, "adds")
client.update_model_version(name, "1", "first")
got = client.get_registered_model(name)
assert (
    got.description == "adds"
    and dict(got.aliases) == {"champion": "2"}
    or dict(got.aliases) == {"champion": 2}
), got
assert client.get_model_version(name, "1").tags == {"k": "v"}
assert client.get_model_version(name, "1").run_id == first_run.info.run_id


def predict(uri: str) -> list[float]:
    return list(mlflow.pyfunc.load_model(uri).predict([1.0, 2.0]))


assert predict(f"models:/{name}/1") == [2.0, 3.0]
assert predict(f"models:/{name}@champion") == [3.0, 4.0]
assert predict(f"models:/{name}/latest") == [3.0, 4.0]
assert predict(f"runs:/{first_run.info.run_id}/adder") == [2.0, 3.0]
assert predict(first.model_uri) == [2.0, 3.0]

client.transition_model_version_stage(name, "2", "Production")
assert predict(f"models:/{name}/Production") == [3.0, 4.0]
assert [v.version for v in client.get_latest_versions(name, ["Production"])] in (["2"], [2])
found = client.search_model_versions(f"name = '{name}'")
assert [int(v.version) for v in found] == [2, 1], found
assert [m.name for m in client.search_registered_models(f"name = '{name}'")] == [name]
assert int(client.get_model_version_by_alias(name, "champion").version) == 2
refused("INVALID_PARAMETER_VALUE", client.get_model_version_by_alias, name, "absent")
refused("RESOURCE_ALREADY_EXISTS", client.create_registered_model, name)
refused("RESOURCE_DOES_NOT_EXIST", client.get_registered_model, unique("absent"))

# a folder that a version rests on cannot be changed
artifacts = (mlflow.artifacts.list_artifacts(first.model_uri) if IS_3
             else client.list_artifacts(first_run.info.run_id, "adder"))  # fmt: skip
assert any(file.path.endswith("MLmodel") for file in artifacts), artifacts
if not IS_3:
    refused_write = False
    try:
        client.log_text(first_run.info.run_id, "changed", "adder/MLmodel")
    except Exception as error:  # noqa: BLE001  # whatever the client makes of a 409
        refused_write = "409" in str(error) or "cannot be changed" in str(error)
    assert refused_write, "a registered model's file could be replaced"

client.rename_registered_model(name, name + "-new")
assert predict(f"models:/{name}-new@champion") == [3.0, 4.0]
client.delete_registered_model_alias(name + "-new", "champion")
client.delete_model_version(name + "-new", "2")
_, third = log(3, registered_model_name=name + "-new")
assert [int(v.version) for v in client.search_model_versions(f"name = '{name}-new'")] == [3, 1]
client.delete_registered_model(name + "-new")
refused("RESOURCE_DOES_NOT_EXIST", client.get_registered_model, name + "-new")

if IS_3:
    model = mlflow.get_logged_model(first.model_id)
    assert model.params == {"n": "1"}, model.params
    assert model.source_run_id == first_run.info.run_id
    with mlflow.start_run():
        mlflow.log_metric("acc", 0.7, model_id=first.model_id)
    assert [m.value for m in mlflow.get_logged_model(first.model_id).metrics] == [0.7]
    experiment = first_run.info.experiment_id
    found = mlflow.search_logged_models([experiment], "metrics.acc > 0.5", output_format="list")
    assert [m.model_id for m in found] == [first.model_id]
    mlflow.set_logged_model_tags(first.model_id, {"a": "b"})
    assert mlflow.get_logged_model(first.model_id).tags["a"] == "b"
    outputs = client.get_run(first_run.info.run_id).outputs.model_outputs
    assert [o.model_id for o in outputs] == [first.model_id]
answer(model=name)
