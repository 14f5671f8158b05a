"""A loop that reads the stop wish from a tag of its run; prints its run first."""

import time

import mlflow
from checks import answer, unique
from mlflow import MlflowClient

client = MlflowClient()
mlflow.set_experiment(unique("stop"))
with mlflow.start_run() as run:
    print(run.info.run_id, flush=True)
    for step in range(10_000):
        mlflow.log_metric("loss", 1 / (step + 1), step=step)
        if client.get_run(run.info.run_id).data.tags.get("assay.stop") == "true":
            break
        time.sleep(0.05)
assert step < 9_999
answer(run=run.info.run_id, steps=step)
