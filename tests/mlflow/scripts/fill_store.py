"""Fill whatever MLFLOW_TRACKING_URI names with one of everything that can be imported.

Run with the python of a real MLflow client; prints what it made as JSON.
"""

import json
import math
import tempfile
from pathlib import Path

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Metric


class Echo(mlflow.pyfunc.PythonModel):
    """The smallest model that can be loaded."""

    def predict(self, context, model_input: list[float], params=None) -> list[float]:
        return model_input


def points(run_id: str, client: MlflowClient) -> None:
    batch = [Metric("loss", 1 / (step + 1), 1_700_000_000_000 + step, step) for step in range(2500)]
    batch += [
        Metric("odd/values", math.nan, 1_700_000_000_000, 0),
        Metric("odd/values", math.inf, 1_700_000_000_001, 1),
        Metric("odd/values", -math.inf, 1_700_000_000_002, -5),
        Metric("odd/values", 0.1 + 0.2, 1_700_000_000_003, 2**53 + 1),
    ]
    for first in range(0, len(batch), 1000):
        client.log_batch(run_id, metrics=batch[first : first + 1000])


def main() -> None:
    client = MlflowClient()
    made: dict[str, object] = {}
    experiment = mlflow.set_experiment("Stars")
    client.set_experiment_tag(experiment.experiment_id, "team", "red\nand blue")
    with mlflow.start_run(run_name="first") as run:
        mlflow.log_params({"lr": 0.1, "layers/0": "64", "empty": ""})
        mlflow.set_tags({"note": "with 'quotes'", "многое": "текст"})
        points(run.info.run_id, client)
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "plain.txt").write_text("hello\n", encoding="utf-8")
            (Path(folder) / "deep").mkdir()
            (Path(folder) / "deep" / "with space & more.bin").write_bytes(bytes(range(256)) * 300)
            (Path(folder) / "empty.txt").touch()
            mlflow.log_artifacts(folder)
        data = mlflow.data.from_numpy(__import__("numpy").arange(12.0).reshape(4, 3), name="stars")
        mlflow.log_input(data, context="training", tags={"kind": "small"})
        info = mlflow.pyfunc.log_model(name="echo", python_model=Echo()) if hasattr(
            mlflow, "create_external_model"
        ) else mlflow.pyfunc.log_model(artifact_path="echo", python_model=Echo())  # fmt: skip
        made["model_uri"] = info.model_uri
        with mlflow.start_run(run_name="child", nested=True) as child:
            mlflow.log_metric("acc", 0.5, step=3)
    made["run"] = run.info.run_id
    gone = client.create_run(experiment.experiment_id, run_name="gone")
    client.log_param(gone.info.run_id, "a", "b")
    client.set_terminated(gone.info.run_id, "KILLED")
    client.delete_run(gone.info.run_id)
    old = client.create_experiment("Old ones", tags={"a": "b"})
    old_run = client.create_run(old)
    client.set_terminated(old_run.info.run_id, "FAILED")
    client.delete_experiment(old)
    mlflow.set_experiment("Default")
    with mlflow.start_run():
        mlflow.log_metric("m", 1.0)
    version = mlflow.register_model(info.model_uri, "Echo")
    again = mlflow.register_model(info.model_uri, "Echo")
    third = mlflow.register_model(info.model_uri, "Echo")
    client.delete_model_version("Echo", again.version)
    client.set_registered_model_alias("Echo", "champion", version.version)
    client.set_registered_model_tag("Echo", "task", "echo")
    client.set_model_version_tag("Echo", version.version, "checked", "yes")
    client.update_registered_model("Echo", "Says what it hears.")
    client.update_model_version("Echo", version.version, "The first.")
    client.transition_model_version_stage("Echo", third.version, "Production")
    client.create_registered_model("Nothing yet")
    made |= {"child": child.info.run_id, "gone": gone.info.run_id, "old": old_run.info.run_id}
    print(json.dumps(made))


if __name__ == "__main__":
    main()
