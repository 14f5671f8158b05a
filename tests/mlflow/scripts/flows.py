"""The ordinary calls of a user, one after the other, each checked by reading it back."""

import math
import tempfile
import time
from pathlib import Path

import mlflow
import pandas as pd
from checks import IS_3, answer, refused, unique
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag, ViewType

client = MlflowClient()
name = unique("flows")

# set_experiment makes a new one, then finds it
experiment = mlflow.set_experiment(name)
assert mlflow.set_experiment(name).experiment_id == experiment.experiment_id
assert experiment.artifact_location.startswith("mlflow-artifacts:/")
assert client.get_experiment_by_name(unique("none")) is None
refused("RESOURCE_ALREADY_EXISTS", client.create_experiment, name)

# start_run, log one by one, log many, end_run
with mlflow.start_run(run_name="one", description="says what") as run:
    mlflow.log_metric("loss", 0.5, step=1)
    mlflow.log_param("lr", 0.1)
    mlflow.set_tag("team", "red")
    mlflow.log_metrics({"acc": 0.9, "nan": math.nan, "inf": math.inf}, step=2)
    mlflow.log_params({f"p{i}": i for i in range(250)})
    mlflow.set_tags({f"t{i}": "x" * 300 for i in range(120)})
    mlflow.log_param("lr", 0.1)
    refused("INVALID_PARAMETER_VALUE", mlflow.log_param, "lr", 0.2)
got = client.get_run(run.info.run_id)
assert got.info.status == "FINISHED"
assert got.info.run_name == "one"
assert got.data.params["p249"] == "249"
assert len(got.data.params) == 251
assert got.data.tags["mlflow.note.content"] == "says what"
assert got.data.tags["t119"] == "x" * 300
assert got.data.tags["mlflow.runName"] == "one"
assert got.data.metrics["acc"] == 0.9
assert math.isnan(got.data.metrics["nan"])
assert got.data.metrics["inf"] == 1.7976931348623157e308
assert got.info.end_time >= got.info.start_time

# the newest metric is the one with the greatest step, whatever came last; repeats are dropped
client.log_metric(run.info.run_id, "order", 3.0, step=9, timestamp=1)
client.log_metric(run.info.run_id, "order", 4.0, step=2, timestamp=2)
client.log_metric(run.info.run_id, "order", 4.0, step=2, timestamp=2)
assert client.get_run(run.info.run_id).data.metrics["order"] == 3.0
assert [(m.step, m.value) for m in client.get_metric_history(run.info.run_id, "order")] == [
    (9, 3.0),
    (2, 4.0),
]

# resume by id, rename, nested children
with mlflow.start_run(run_id=run.info.run_id):
    assert client.get_run(run.info.run_id).info.status == "RUNNING"
    with mlflow.start_run(run_name="child", nested=True) as child:
        mlflow.log_metric("loss", 0.1)
client.update_run(run.info.run_id, status="FINISHED", name="renamed")
assert client.get_run(run.info.run_id).data.tags["mlflow.runName"] == "renamed"
found = client.search_runs(
    [experiment.experiment_id], f"tags.mlflow.parentRunId = '{run.info.run_id}'"
)
assert [one.info.run_id for one in found] == [child.info.run_id]

# search: a table of everything, filters, orders, pages
for number in range(5):
    made = client.create_run(
        experiment.experiment_id, run_name=f"s{number}", start_time=1000 + number
    )
    client.log_batch(
        made.info.run_id,
        [Metric("m", number, 1, 0)],
        [Param("n", str(number))],
        [RunTag("even", str(number % 2 == 0))],
    )
table = mlflow.search_runs(
    experiment_names=[name], filter_string="tags.even = 'True'", order_by=["metrics.m DESC"]
)
assert list(table["params.n"]) == ["4", "2", "0"], table
assert isinstance(table, pd.DataFrame)
seen, token = [], None
while True:
    page = client.search_runs(
        [experiment.experiment_id], "metrics.m >= 0", max_results=2, page_token=token
    )
    seen += [one.info.run_name for one in page]
    token = page.token
    if not token:
        break
assert seen == ["s4", "s3", "s2", "s1", "s0"], seen
assert (
    len(
        client.search_runs(
            [experiment.experiment_id], "attributes.run_name LIKE 's%' AND params.n IS NOT NULL"
        )
    )
    == 5
)
assert (
    client.search_runs([experiment.experiment_id], "params.n != '3' AND metrics.m > 3")[
        0
    ].data.params["n"]
    == "4"
)
refused("INVALID_PARAMETER_VALUE", client.search_runs, [experiment.experiment_id], "metrics.m >")

# delete and restore a run and the experiment
client.delete_run(child.info.run_id)
assert client.get_run(child.info.run_id).info.lifecycle_stage == "deleted"
refused("INVALID_PARAMETER_VALUE", client.log_metric, child.info.run_id, "x", 1.0)
deleted = client.search_runs([experiment.experiment_id], run_view_type=ViewType.DELETED_ONLY)
assert [one.info.run_id for one in deleted] == [child.info.run_id]
client.restore_run(child.info.run_id)
client.delete_experiment(experiment.experiment_id)
assert client.get_experiment_by_name(name).lifecycle_stage == "deleted"
assert client.get_run(run.info.run_id).info.lifecycle_stage == "deleted"
refused("INVALID_PARAMETER_VALUE", client.create_run, experiment.experiment_id)
client.restore_experiment(experiment.experiment_id)
assert client.get_run(run.info.run_id).info.lifecycle_stage == "active"
client.rename_experiment(experiment.experiment_id, name + "-2")
client.set_experiment_tag(experiment.experiment_id, "k", "v\nw")
assert client.get_experiment(experiment.experiment_id).tags["k"] == "v\nw"
assert [e.name for e in client.search_experiments(filter_string=f"name = '{name}-2'")] == [
    name + "-2"
]

# tags and what is absent
client.delete_tag(run.info.run_id, "t0")
refused("RESOURCE_DOES_NOT_EXIST", client.delete_tag, run.info.run_id, "t0")
refused("RESOURCE_DOES_NOT_EXIST", client.get_run, "0" * 32)
refused("RESOURCE_DOES_NOT_EXIST", client.get_experiment, "999999999")

# artifacts: files, folders, odd names, text, dict, table, listing, download
with mlflow.start_run(run_id=run.info.run_id), tempfile.TemporaryDirectory() as folder:
    odd = "with space & plus+ 'quote' ünï.txt"
    (Path(folder) / "sub").mkdir()
    (Path(folder) / "sub" / odd).write_text("hello", encoding="utf-8")
    (Path(folder) / "empty.bin").touch()
    mlflow.log_artifacts(folder, artifact_path="files")
    mlflow.log_text("text", "notes/a.txt")
    mlflow.log_dict({"a": [1, 2]}, "notes/b.json")
    mlflow.log_table({"q": ["a"], "n": [1]}, "table.json")
    mlflow.log_table({"q": ["b"], "n": [2]}, "table.json")
    assert list(mlflow.load_table("table.json", run_ids=[run.info.run_id])["q"]) == ["a", "b"]
listed = {
    file.path: (file.is_dir, file.file_size)
    for file in client.list_artifacts(run.info.run_id, "files")
}
assert listed == {
    "files/sub": (True, None),
    "files/empty.bin": (False, listed["files/empty.bin"][1]),
}, listed
assert client.list_artifacts(run.info.run_id, "absent") == []
place = mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="files")
assert (Path(place) / "sub" / odd).read_text(encoding="utf-8") == "hello"
assert mlflow.artifacts.load_dict(f"runs:/{run.info.run_id}/notes/b.json") == {"a": [1, 2]}

# datasets
data = mlflow.data.from_pandas(pd.DataFrame({"a": [1, 2]}), name="frame")
with mlflow.start_run(run_id=run.info.run_id):
    mlflow.log_input(data, context="training", tags={"k": "v"})
    mlflow.log_input(data, context="training")
(used,) = client.get_run(run.info.run_id).inputs.dataset_inputs
assert (used.dataset.name, {tag.key: tag.value for tag in used.tags}["mlflow.data.context"]) == (
    "frame",
    "training",
)
assert len(client.search_runs([experiment.experiment_id], "dataset.name = 'frame'")) == 1

# many metrics with asynchronous writers
with mlflow.start_run(experiment_id=experiment.experiment_id) as quick:
    waits = [mlflow.log_metrics({"a": i, "b": -i}, step=i, synchronous=False) for i in range(200)]
    waits += [mlflow.log_params({f"q{i}": i}, synchronous=False) for i in range(50)]
    for wait in waits:
        wait.wait()
    mlflow.flush_async_logging()
assert len(client.get_metric_history(quick.info.run_id, "a")) == 200
assert len(client.get_run(quick.info.run_id).data.params) == 50

# system metrics
mlflow.set_system_metrics_sampling_interval(0.2)
mlflow.set_system_metrics_samples_before_logging(1)
with mlflow.start_run(experiment_id=experiment.experiment_id, log_system_metrics=True) as watched:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        time.sleep(0.3)
        if any(
            key.startswith("system/") for key in client.get_run(watched.info.run_id).data.metrics
        ):
            break
    else:
        raise AssertionError("no system metrics came")

answer(run=run.info.run_id, experiment=experiment.experiment_id, is_3=IS_3)
