"""Read back what fill_store.py wrote."""

from pathlib import Path

import mlflow
from checks import answer
from mlflow import MlflowClient
from mlflow.entities import ViewType

client = MlflowClient()
ids = [found.experiment_id for found in client.search_experiments(view_type=ViewType.ALL)]
runs = client.search_runs(ids, run_view_type=ViewType.ALL)
# A search by the file store leaves out the runs of experiments in the trash.
deleted = client.search_experiments(view_type=ViewType.DELETED_ONLY)
n_runs = len(runs) + len(deleted) * (
    not any(run.info.experiment_id == deleted[0].experiment_id for run in runs)
)
first = next(run for run in runs if run.info.run_name == "first")
place = Path(mlflow.artifacts.download_artifacts(run_id=first.info.run_id, artifact_path="deep"))
loaded = mlflow.pyfunc.load_model("models:/Echo@champion")
answer(
    runs=n_runs,
    loss=len(client.get_metric_history(first.info.run_id, "loss")),
    files=(place / "with space & more.bin").stat().st_size,
    echo=list(loaded.predict([1.0, 2.0])),
    params=first.data.params,
)
