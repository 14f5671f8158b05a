"""Spans as real OTLP bytes, and a client that sends them."""

import gzip
import secrets

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.experiments.protocol_help import ProtocolClient
from tests.experiments.tracking_help import experiment_of

START_NS = 1_700_000_000_000_000_000
MS = 1_000_000
V3 = "/api/3.0/mlflow"


def new_trace_id() -> str:
    """Return the hexadecimal part of a trace's id."""
    return secrets.token_hex(16)


def add_span(request, trace_hex: str, number: int, *, parent: int = 0, name: str = "", **fields):
    """Add a span of 10 ms per number to an export request; number 1 is the root."""
    if not request.resource_spans:
        request.resource_spans.add().scope_spans.add()
    span = (
        request.resource_spans[0]
        .scope_spans[0]
        .spans.add(
            trace_id=bytes.fromhex(trace_hex),
            span_id=number.to_bytes(8, "big"),
            parent_span_id=parent.to_bytes(8, "big") if parent else b"",
            name=name or f"step {number}",
            start_time_unix_nano=START_NS + (number - 1) * MS,
            end_time_unix_nano=START_NS + number * 10 * MS,
            **fields,
        )
    )
    span.status.code = 1
    return span


def set_text(span, key: str, value: str) -> None:
    """Give the span a text as an attribute."""
    span.attributes.add(key=key).value.string_value = value


def small_trace(
    trace_hex: str, *, question: str = '{"q": "Wie groß?"}'
) -> ExportTraceServiceRequest:
    """Return a root with two children, one of which failed."""
    request = ExportTraceServiceRequest()
    root = add_span(request, trace_hex, 1, name="answer")
    set_text(root, "mlflow.spanInputs", question)
    set_text(root, "mlflow.spanType", "CHAIN")
    child = add_span(request, trace_hex, 2, parent=1, name="retrieve")
    child.attributes.add(key="n").value.int_value = 7
    failed = add_span(request, trace_hex, 3, parent=1, name="generate")
    failed.status.code = 2
    failed.status.message = "too warm"
    event = failed.events.add(name="exception", time_unix_nano=START_NS + 5)
    event.attributes.add(key="exception.type").value.string_value = "ValueError"
    return request


class TraceClient(ProtocolClient):
    """A person who sends traces to the experiment called Trials of the project."""

    def __init__(self, user, project, **more) -> None:
        super().__init__(user, **more)
        self.experiment = experiment_of(project)

    def export(self, body: bytes, **headers: str):
        """Post an OTLP body; bytes as they are."""
        wanted = {"x-mlflow-experiment-id": str(self.experiment.pk), **headers}
        kind = wanted.pop("content-type", "application/x-protobuf")
        wanted = {name: value for name, value in wanted.items() if value}
        return self.call("POST", "/v1/traces", body, content_type=kind, headers=wanted)

    def send(self, request: ExportTraceServiceRequest, *, packed: bool = False):
        """Post an export request, plain or with gzip."""
        body = request.SerializeToString()
        if packed:
            return self.export(gzip.compress(body), **{"content-encoding": "gzip"})
        return self.export(body)

    def start(self, trace_hex: str, **fields):
        """Post the client's own summary of a trace."""
        info = {
            "trace_id": f"tr-{trace_hex}",
            "trace_location": {
                "type": "MLFLOW_EXPERIMENT",
                "mlflow_experiment": {"experiment_id": str(self.experiment.pk)},
            },
            "request_time": "2023-11-14T22:13:20.000Z",
            "execution_duration": "0.031s",
            "state": "OK",
            **fields,
        }
        return self.post(f"{V3}/traces", {"trace": {"trace_info": info}})

    def read(self, trace_hex: str, **params):
        """Get a trace with its spans."""
        return self.get(f"{V3}/traces/get", {"trace_id": f"tr-{trace_hex}", **params})

    def info(self, trace_hex: str) -> dict:
        """Return a trace without its spans."""
        answer = self.get(f"{V3}/traces/tr-{trace_hex}")
        assert answer.status_code == 200, answer.content
        return answer.json()["trace"]["trace_info"]
