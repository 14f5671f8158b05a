"""A training loop as with PyTorch: a loss for each of 50,000 steps, an accuracy now and then."""

import math
import sys
import time

import mlflow
from checks import answer, unique
from mlflow import MlflowClient

STEPS = int(sys.argv[1])
mlflow.set_experiment(unique("loop"))
mlflow.config.enable_async_logging(True)
began = time.perf_counter()
with mlflow.start_run() as run:
    for step in range(STEPS):
        mlflow.log_metric(
            "loss", 100.0 if step == STEPS // 3 else math.exp(-step / 9000), step=step
        )
        if step % 1000 == 0:
            mlflow.log_metrics({"acc": step / STEPS, "lr": 0.1}, step=step)
    mlflow.flush_async_logging()
took_s = time.perf_counter() - began
client = MlflowClient()
history = client.get_metric_history(run.info.run_id, "loss")
assert [m.step for m in sorted(history, key=lambda m: m.step)] == list(range(STEPS)), len(history)
assert max(m.value for m in history) == 100.0
got = client.get_run(run.info.run_id)
assert got.data.metrics["loss"] == math.exp(-(STEPS - 1) / 9000)
assert got.info.status == "FINISHED"
answer(run=run.info.run_id, took_s=took_s)
