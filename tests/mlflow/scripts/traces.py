"""Traces, and what people say about them (release 3)."""

import time

import mlflow
from checks import answer, unique
from mlflow import MlflowClient

experiment = mlflow.set_experiment(unique("traces"))


@mlflow.trace(span_type="TOOL")
def inner(value: int) -> int:
    return value * 2


@mlflow.trace(name="outer", attributes={"kind": "test"})
def outer(value: int) -> int:
    return inner(value) + 1


with mlflow.start_run() as run:
    assert outer(20) == 41
mlflow.flush_trace_async_logging()
trace_id = mlflow.get_last_active_trace_id()
client = MlflowClient()
deadline = time.monotonic() + 20
while not (found := mlflow.search_traces(locations=[experiment.experiment_id], return_type="list")):
    assert time.monotonic() < deadline, "the trace did not come"
    time.sleep(0.2)
assert [trace.info.trace_id for trace in found] == [trace_id]
trace = mlflow.get_trace(trace_id)
assert {span.name for span in trace.data.spans} == {"outer", "inner"}
root = next(span for span in trace.data.spans if span.parent_id is None)
assert root.outputs == 41
assert root.get_attribute("kind") == "test"
assert trace.info.state == "OK"
mlflow.set_trace_tag(trace_id, "k", "v")
assert mlflow.get_trace(trace_id).info.tags["k"] == "v"
mlflow.delete_trace_tag(trace_id, "k")
assert "k" not in mlflow.get_trace(trace_id).info.tags
feedback = mlflow.log_feedback(trace_id=trace_id, name="good", value=True, rationale="it is")
mlflow.log_expectation(trace_id=trace_id, name="wanted", value={"n": 41})
said = {one.name: one for one in mlflow.get_trace(trace_id).info.assessments}
assert said["good"].feedback.value is True
assert said["good"].rationale == "it is"
assert said["wanted"].expectation.value == {"n": 41}
mlflow.delete_assessment(trace_id, feedback.assessment_id)
assert [one.name for one in mlflow.get_trace(trace_id).info.assessments] == ["wanted"]
filtered = mlflow.search_traces(
    locations=[experiment.experiment_id],
    filter_string="attributes.status = 'OK'",
    return_type="list",
)
assert len(filtered) == 1
by_run = mlflow.search_traces(
    run_id=run.info.run_id, locations=[experiment.experiment_id], return_type="list"
)
assert len(by_run) == 1
assert client.delete_traces(experiment.experiment_id, trace_ids=[trace_id]) == 1
answer(trace=trace_id)
