"""What people, code and judges say about a trace; a newer word may override an older one."""

import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from experiments.models import Assessment, Trace
from experiments.tracking.spans import json_text, storable
from platform_site.core.clock import now_ms
from platform_site.core.errors import Conflict, Invalid, NotFound, TooLarge
from platform_site.core.transactions import write_transaction

SOURCE_TYPES: Final = ("SOURCE_TYPE_UNSPECIFIED", "HUMAN", "LLM_JUDGE", "CODE")
OLD_SOURCE_TYPES: Final = {"AI_JUDGE": "LLM_JUDGE"}
ASSESSMENT_ID: Final = re.compile(r"a-[0-9a-f]{32}")
SPAN_ID: Final = re.compile(r"[0-9a-f]{16}")
MAX_NAME: Final = 250
MAX_RATIONALE: Final = 100_000
MAX_BODY_CHARS: Final = 1_000_000
MAX_METADATA: Final = 200
MAX_PER_TRACE: Final = 2_000
MAX_MS: Final = 253_402_300_799_999


@dataclass(frozen=True, slots=True, kw_only=True)
class AssessmentDraft:
    """An assessment as a client sends it; times in ms, None meaning now.

    `body` has the key ``value`` and, for feedback that could not be given, ``error``.
    """

    name: str
    kind: str
    source_type: str
    body: Mapping[str, Any]
    source_id: str = ""
    rationale: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    span_id: str = ""
    overrides: str = ""
    assessment_id: str = ""
    is_valid: bool = True
    created_ms: int | None = None
    updated_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AssessmentChange:
    """What to change of an assessment; None leaves it, metadata is added to what is there."""

    name: str | None = None
    kind: str | None = None
    body: Mapping[str, Any] | None = None
    rationale: str | None = None
    metadata: Mapping[str, str] | None = None


def create_assessment(*, trace: Trace, draft: AssessmentDraft) -> Assessment:
    """Keep an assessment of the trace; the one that it overrides counts no more.

    Raises:
        Invalid: for a bad name, source, span or time.
        NotFound: when the trace has no assessment that is to be overridden.
        Conflict: when the id is taken.
        TooLarge: when value, rationale or the number of assessments exceed their limits.
    """
    _check(draft)
    with write_transaction():
        Trace.objects.select_for_update().get(pk=trace.pk)
        if trace.assessments.count() >= MAX_PER_TRACE:
            raise TooLarge(f"A trace has at most {MAX_PER_TRACE} assessments.")
        if draft.assessment_id and _taken(draft.assessment_id):
            raise Conflict(f"There is an assessment with ID '{draft.assessment_id}' already.")
        return _keep(trace, draft)


def update_assessment(*, assessment: Assessment, change: AssessmentChange) -> Assessment:
    """Change the given parts of an assessment.

    Raises:
        Invalid: when feedback is to become an expectation or the other way round, or for a bad
            name.
        NotFound: when somebody deleted it meanwhile.
        TooLarge: when value or rationale exceed their limits.
    """
    if change.kind is not None and change.kind != assessment.kind:
        raise Invalid(f"Cannot update {change.kind} value on {assessment.kind}.")
    with write_transaction():
        row = Assessment.objects.select_for_update().filter(pk=assessment.pk).first()
        if row is None:
            raise NotFound(f"Assessment with ID '{assessment.assessment_id}' not found.")
        if change.name is not None:
            row.name = _name(change.name)
        if change.body is not None:
            row.body = _body(change.body)
        if change.rationale is not None:
            row.rationale = _rationale(change.rationale)
        if change.metadata is not None:
            row.metadata = _metadata({**row.metadata, **change.metadata})
        row.updated_ms = now_ms()
        row.save()
    return row


def delete_assessment(*, trace: Trace, assessment_id: str) -> None:
    """Delete an assessment, if it is there; the one that it overrode counts again."""
    with write_transaction():
        row = (
            trace.assessments.select_for_update(of=("self",))
            .filter(assessment_id=assessment_id)
            .first()
        )
        if row is None:
            return
        older = row.overrides_id
        row.delete()
        if older is not None and not Assessment.objects.filter(overrides_id=older).exists():
            Assessment.objects.filter(pk=older).update(is_valid=True)


def keep_assessments(trace: Trace, drafts: Sequence[AssessmentDraft]) -> None:
    """Keep assessments that come with their trace, inside the caller's transaction.

    One that came before, by its id or in all it says, is not kept again.

    Raises:
        Invalid: for a bad name, source, span or time.
        NotFound: when one overrides an assessment that the trace does not have.
        TooLarge: when a limit is exceeded.
    """
    if len(drafts) > MAX_PER_TRACE:
        raise TooLarge(f"A trace has at most {MAX_PER_TRACE} assessments.")
    for draft in drafts:
        _check(draft)
        if not _is_known(trace, draft):
            _keep(trace, draft)


def _is_known(trace: Trace, draft: AssessmentDraft) -> bool:
    if draft.assessment_id:
        return _taken(draft.assessment_id)
    if draft.created_ms is None:
        return False
    return trace.assessments.filter(
        name=storable(draft.name),
        kind=draft.kind,
        source_type=draft.source_type,
        source_id=storable(draft.source_id),
        created_ms=draft.created_ms,
    ).exists()


def _keep(trace: Trace, draft: AssessmentDraft) -> Assessment:
    overridden = None
    if draft.overrides:
        overridden = trace.assessments.filter(assessment_id=draft.overrides).first()
        if overridden is None:
            raise NotFound(
                f"Assessment with ID '{draft.overrides[:100]}' not found"
                f" for trace '{trace.trace_id}'."
            )
        Assessment.objects.filter(pk=overridden.pk).update(is_valid=False)
    moment = now_ms()
    return Assessment.objects.create(
        assessment_id=draft.assessment_id or f"a-{uuid.uuid4().hex}",
        trace=trace,
        span_id=draft.span_id,
        name=_name(draft.name),
        kind=draft.kind,
        source_type=draft.source_type,
        source_id=storable(draft.source_id),
        body=_body(draft.body),
        rationale=_rationale(draft.rationale),
        metadata=_metadata(draft.metadata),
        overrides=overridden,
        is_valid=draft.is_valid,
        created_ms=moment if draft.created_ms is None else draft.created_ms,
        updated_ms=moment if draft.updated_ms is None else draft.updated_ms,
    )


def _taken(assessment_id: str) -> bool:
    return Assessment.objects.filter(assessment_id=assessment_id).exists()


def _check(draft: AssessmentDraft) -> None:
    if draft.kind not in Assessment.Kind.values:
        raise Invalid("Exactly one of `expectation` or `feedback` should be specified.")
    if draft.source_type not in SOURCE_TYPES:
        raise Invalid(
            f"Invalid assessment source type: {draft.source_type[:100]}."
            f" Valid source types: {', '.join(SOURCE_TYPES)}."
        )
    if len(draft.source_id) > MAX_NAME:
        raise Invalid(f"The source of an assessment has at most {MAX_NAME} characters.")
    if draft.assessment_id and not ASSESSMENT_ID.fullmatch(draft.assessment_id):
        raise Invalid(f"Invalid assessment ID: '{draft.assessment_id[:100]}'.")
    if draft.span_id and not SPAN_ID.fullmatch(draft.span_id):
        raise Invalid(f"Invalid span ID: '{draft.span_id[:100]}'.")
    for at in (draft.created_ms, draft.updated_ms):
        if at is not None and not 0 <= at <= MAX_MS:
            raise Invalid("The time of an assessment must lie after 1970.")


def _name(name: str) -> str:
    if not name or len(name) > MAX_NAME:
        raise Invalid(f"The name of an assessment must have 1 to {MAX_NAME} characters.")
    return storable(name)


def _rationale(text: str) -> str:
    if len(text) > MAX_RATIONALE:
        raise TooLarge(f"A rationale has at most {MAX_RATIONALE} characters.")
    return storable(text)


def _body(body: Mapping[str, Any]) -> dict[str, Any]:
    if len(json_text(body)) > MAX_BODY_CHARS:
        raise TooLarge(f"The value of an assessment has at most {MAX_BODY_CHARS} characters.")
    return dict(body)


def _metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    if len(metadata) > MAX_METADATA:
        raise TooLarge(f"An assessment has at most {MAX_METADATA} pieces of metadata.")
    if len(json_text(metadata)) > MAX_BODY_CHARS:
        raise TooLarge(f"The metadata of an assessment has at most {MAX_BODY_CHARS} characters.")
    return {storable(key): storable(value) for key, value in metadata.items()}
