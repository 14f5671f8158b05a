"""What clients send about traces and assessments, and the drafts that it means."""

import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import msgspec
from rest_framework.exceptions import ParseError

from experiments.mlflow_api.kit.errors import ProtocolError, invalid_value, missing_value
from experiments.mlflow_api.kit.requests import Request
from experiments.mlflow_api.kit.tolerant import json_text
from experiments.models import Assessment
from experiments.services.assessments import (
    OLD_SOURCE_TYPES,
    SOURCE_TYPES,
    AssessmentChange,
    AssessmentDraft,
)
from experiments.services.traces import STATES, TraceDraft
from experiments.tracking.spans import finite_or_text
from platform_site.core.json_parser import refuse_unstorable

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MOMENT: Final = re.compile(
    r"(\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)
DURATION: Final = re.compile(r"(\d{1,12}(?:\.\d{1,9})?)s", re.ASCII)
JSON_FORMAT: Final = "JSON_FORMAT"
MASKED: Final = ("assessment_name", "expectation", "feedback", "rationale", "metadata", "valid")


class Source(Request):
    """Who assessed."""

    source_type: Any = "SOURCE_TYPE_UNSPECIFIED"
    source_id: str = ""


class Feedback(Request):
    """A judgement, or why there is none."""

    value: Any = None
    error: dict[str, Any] | None = None


class SerializedValue(Request):
    """A list or mapping as text."""

    value: str
    serialization_format: str = JSON_FORMAT


class Expectation(Request):
    """What should have come out."""

    value: Any = None
    serialized_value: SerializedValue | None = None


class AssessmentBody(Request):
    """An assessment, whole or in parts."""

    assessment_name: str = ""
    assessment_id: str = ""
    trace_id: str = ""
    span_id: str = ""
    source: Source | None = None
    create_time: str = ""
    last_update_time: str = ""
    feedback: Feedback | None = None
    expectation: Expectation | None = None
    rationale: str = ""
    metadata: dict[str, str] = msgspec.field(default_factory=dict)
    overrides: str = ""
    valid: bool = True


class CreateAssessment(Request):
    """POST of an assessment."""

    assessment: AssessmentBody


class UpdateAssessment(Request):
    """PATCH of an assessment: `update_mask` names the fields to take, as list or as text."""

    assessment: AssessmentBody
    update_mask: Any


class ExperimentLocation(Request):
    """An experiment by its number."""

    experiment_id: str


class TraceLocation(Request):
    """Where a trace belongs."""

    mlflow_experiment: ExperimentLocation | None = None
    type: Any = None


class TraceInfo(Request):
    """A trace without its spans."""

    trace_id: str
    trace_location: TraceLocation
    request_time: str
    client_request_id: str = ""
    execution_duration: str = ""
    state: Any = "STATE_UNSPECIFIED"
    request_preview: str | None = None
    response_preview: str | None = None
    trace_metadata: dict[str, str] = msgspec.field(default_factory=dict)
    tags: dict[str, str] = msgspec.field(default_factory=dict)
    assessments: list[AssessmentBody] = msgspec.field(default_factory=list)


class TraceBody(Request):
    """A trace; its spans come by OTLP."""

    trace_info: TraceInfo


class StartTrace(Request):
    """POST of a trace."""

    trace: TraceBody


def trace_draft(info: TraceInfo) -> TraceDraft:
    """Return what the client says of a trace.

    Raises:
        ProtocolError: for a time or an assessment that cannot be read.
    """
    return TraceDraft(
        trace_id=info.trace_id,
        request_ms=moment_ms(info.request_time, "trace.trace_info.request_time"),
        duration_ms=_duration_ms(info.execution_duration),
        state=enum_name(info.state, STATES),
        client_request_id=info.client_request_id,
        request_preview=info.request_preview,
        response_preview=info.response_preview,
        tags=info.tags,
        metadata=info.trace_metadata,
        assessments=[assessment_draft(one) for one in info.assessments],
    )


def assessment_draft(body: AssessmentBody) -> AssessmentDraft:
    """Return what the client says of an assessment.

    Raises:
        ProtocolError: for a missing name or source, or for values that cannot be read.
    """
    if not body.assessment_name:
        raise missing_value("assessment.assessment_name")
    if body.source is None:
        raise missing_value("assessment.source")
    kind, value = _value_of(body)
    return AssessmentDraft(
        name=body.assessment_name,
        kind=kind,
        source_type=_source_type(body.source.source_type),
        source_id=body.source.source_id,
        body=value,
        rationale=body.rationale,
        metadata=body.metadata,
        span_id=body.span_id,
        overrides=body.overrides,
        assessment_id=body.assessment_id,
        is_valid=body.valid,
        created_ms=_optional_ms(body.create_time, "assessment.create_time"),
        updated_ms=_optional_ms(body.last_update_time, "assessment.last_update_time"),
    )


def assessment_change(request: UpdateAssessment) -> AssessmentChange:
    """Return the parts of an assessment that the mask names.

    Raises:
        ProtocolError: for a mask or a value that cannot be read.
    """
    body, mask = request.assessment, _mask(request.update_mask)
    kind: str | None = None
    value: dict[str, Any] | None = None
    if "feedback" in mask or "expectation" in mask:
        kind, value = _value_of(body)
        if kind not in mask:
            raise missing_value(f"assessment.{'feedback' if kind == 'expectation' else kind}")
    return AssessmentChange(
        name=body.assessment_name if "assessment_name" in mask else None,
        kind=kind,
        body=value,
        rationale=body.rationale if "rationale" in mask else None,
        metadata=body.metadata if "metadata" in mask else None,
    )


def _mask(mask: Any) -> set[str]:
    names = mask.get("paths") if isinstance(mask, dict) else mask
    if isinstance(names, str):
        names = [name for name in names.split(",") if name]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise invalid_value("update_mask", json_text(mask))
    found = {re.sub(r"([A-Z])", r"_\1", name.strip()).lower() for name in names}
    if not found <= set(MASKED):
        raise invalid_value("update_mask", json_text(mask), f"there are {', '.join(MASKED)}.")
    return found


def _value_of(body: AssessmentBody) -> tuple[str, dict[str, Any]]:
    if (body.feedback is None) == (body.expectation is None):
        raise ProtocolError(
            "INVALID_PARAMETER_VALUE",
            "Exactly one of `expectation` or `feedback` should be specified.",
        )
    if body.feedback is not None:
        value = {"value": finite_or_text(body.feedback.value)}
        if body.feedback.error:
            value["error"] = body.feedback.error
        return Assessment.Kind.FEEDBACK.value, value
    expected = body.expectation
    if expected is not None and expected.serialized_value is not None:
        return Assessment.Kind.EXPECTATION.value, {"value": _unpacked(expected.serialized_value)}
    return Assessment.Kind.EXPECTATION.value, {
        "value": finite_or_text(expected.value) if expected else None
    }


def _unpacked(serialized: SerializedValue) -> Any:
    if serialized.serialization_format != JSON_FORMAT:
        raise ProtocolError(
            "INVALID_PARAMETER_VALUE",
            "Unknown serialization format. Only JSON_FORMAT is supported.",
        )
    try:
        value = finite_or_text(json.loads(serialized.value))
        refuse_unstorable(value)
    except (ValueError, RecursionError, ParseError) as error:
        raise invalid_value(
            "assessment.expectation.serialized_value.value", json_text(serialized.value)
        ) from error
    return value


def _source_type(value: Any) -> str:
    if isinstance(value, str):
        name = value.upper()
        return OLD_SOURCE_TYPES.get(name, name)
    return enum_name(value, SOURCE_TYPES)


def enum_name(value: Any, names: tuple[str, ...]) -> str:
    """Return an enum's value by name or number; what is unknown is the first one."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(names):
        return names[value]
    return value if value in names else names[0]


def _optional_ms(text: str, path: str) -> int | None:
    return moment_ms(text, path) if text else None


def moment_ms(text: str, path: str) -> int:
    """Return RFC 3339 text as ms since 1970.

    Raises:
        ProtocolError: naming the field.
    """
    found = MOMENT.fullmatch(text.strip()) if len(text) < 50 else None
    if found is None:
        raise invalid_value(path, json_text(text))
    seconds, fraction, zone = found.groups()
    try:
        at = datetime.fromisoformat(seconds.upper() + zone.upper())
        whole_ms = (at - EPOCH) // timedelta(milliseconds=1)
    except (ValueError, OverflowError) as error:
        raise invalid_value(path, json_text(text)) from error
    return whole_ms + int((fraction or "0").ljust(9, "0")[:3])


def _duration_ms(text: str) -> int | None:
    if not text:
        return None
    found = DURATION.fullmatch(text)
    if found is None:
        raise invalid_value("trace.trace_info.execution_duration", json_text(text))
    return int(Decimal(found[1]) * 1000)
