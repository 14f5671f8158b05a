"""Searching traces, overriding what was said, and an evaluation of traces twice (release 3)."""

import mlflow
from checks import answer, refused, unique
from mlflow import MlflowClient
from mlflow.entities import AssessmentSource, Feedback
from mlflow.genai.scorers import scorer

experiment = mlflow.set_experiment(unique("evaluation"))
client = MlflowClient()


def ids(**wanted: object) -> list[str]:
    found = mlflow.search_traces(locations=[experiment.experiment_id], return_type="list", **wanted)
    return [trace.info.trace_id for trace in found]


def reply(question: str) -> str:
    with mlflow.start_span("generate", span_type="LLM") as span:
        span.set_attribute("model", "tiny")
        span.set_outputs({"score": float("nan")})
    return "Paris" if "France" in question else "unknown"


@mlflow.trace
def fails() -> None:
    raise ValueError("kaputt")


@scorer
def exact(outputs: str, expectations: dict[str, str]) -> bool:
    return outputs == expectations["expected_response"]


@scorer
def length(outputs: str) -> int:
    return len(outputs)


try:
    fails()
except ValueError:
    failed = mlflow.get_last_active_trace_id()
mlflow.flush_trace_async_logging()
assert ids(filter_string="attributes.status = 'ERROR'") == [failed]
assert ids(filter_string="trace.text LIKE '%kaputt%'") == [failed]
event = mlflow.get_trace(failed).data.spans[0].events[0]
assert (event.name, event.attributes["exception.message"]) == ("exception", "kaputt")
message = refused(
    "INVALID_PARAMETER_VALUE",
    mlflow.search_traces,
    locations=[experiment.experiment_id],
    filter_string="name RLIKE '^f'",
)
assert "RLIKE is not supported" in message

questions = [
    {"inputs": {"question": "France?"}, "expectations": {"expected_response": "Paris"}},
    {"inputs": {"question": "Groß?"}, "expectations": {"expected_response": "?"}},
]
first = mlflow.genai.evaluate(data=questions, predict_fn=reply, scorers=[exact, length])
assert first.metrics["exact/mean"] == 0.5
assert len(ids(filter_string=f"run_id = '{first.run_id}'")) == 2
assert len(ids(filter_string="feedback.exact = 'true'")) == 1
assert len(ids(filter_string="feedback.length > 5")) == 1
assert len(ids(filter_string="span.attributes.model = 'tiny'")) >= 2
again = mlflow.genai.evaluate(
    data=mlflow.search_traces(locations=[experiment.experiment_id], run_id=first.run_id),
    scorers=[length],
)
for run_id in (first.run_id, again.run_id):
    assert len(ids(filter_string=f"run_id = '{run_id}'")) == 2

person = AssessmentSource("HUMAN", "alice")
older = mlflow.log_feedback(trace_id=failed, name="good", value=True, source=person)
newer = mlflow.override_feedback(
    trace_id=failed, assessment_id=older.assessment_id, value=False, source=person
)
assert newer.overrides == older.assessment_id
assert mlflow.get_assessment(failed, older.assessment_id).valid is False
changed = mlflow.update_assessment(
    trace_id=failed,
    assessment_id=newer.assessment_id,
    assessment=Feedback(name="better", value=0.5, rationale="after all"),
)
assert (changed.name, changed.value, changed.rationale) == ("better", 0.5, "after all")
mlflow.delete_assessment(failed, newer.assessment_id)
assert mlflow.get_assessment(failed, older.assessment_id).valid is True

page = client.search_traces(locations=[experiment.experiment_id], max_results=1)
rest = client.search_traces(
    locations=[experiment.experiment_id], max_results=500, page_token=page.token
)
assert len({trace.info.trace_id for trace in [*page, *rest]}) == len(ids())
answer(run=first.run_id, again=again.run_id)
