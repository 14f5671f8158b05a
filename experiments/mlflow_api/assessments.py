"""Endpoints of assessments."""

from typing import Any, Final

from experiments.mlflow_api import trace_shapes as shapes
from experiments.mlflow_api.kit.call import Call
from experiments.mlflow_api.kit.requests import decode
from experiments.mlflow_api.kit.routes import Route
from experiments.mlflow_api.trace_access import trace_for
from experiments.mlflow_api.trace_requests import (
    CreateAssessment,
    UpdateAssessment,
    assessment_change,
    assessment_draft,
)
from experiments.models import Assessment, Trace
from experiments.services import assessments as services
from platform_site.accounts.access import Need
from platform_site.core.errors import NotFound

ONE: Final = "3.0/mlflow/traces/{trace_id}/assessments/{assessment_id}"


def create(call: Call) -> dict[str, Any]:
    """Keep an assessment of a trace."""
    request = decode(call, CreateAssessment)
    trace = trace_for(call, call.path_params["trace_id"], "write")
    row = services.create_assessment(trace=trace, draft=assessment_draft(request.assessment))
    return {"assessment": shapes.assessment(row, trace.trace_id)}


def get(call: Call) -> dict[str, Any]:
    """Answer with an assessment."""
    trace, row = _named(call, "read")
    return {"assessment": shapes.assessment(row, trace.trace_id)}


def update(call: Call) -> dict[str, Any]:
    """Change the parts of an assessment that the mask names."""
    request = decode(call, UpdateAssessment)
    trace, row = _named(call, "write")
    changed = services.update_assessment(assessment=row, change=assessment_change(request))
    return {"assessment": shapes.assessment(changed, trace.trace_id)}


def delete(call: Call) -> dict[str, Any]:
    """Delete an assessment, if it is there."""
    trace = trace_for(call, call.path_params["trace_id"], "write")
    services.delete_assessment(trace=trace, assessment_id=call.path_params["assessment_id"])
    return {}


def _named(call: Call, need: Need) -> tuple[Trace, Assessment]:
    trace = trace_for(call, call.path_params["trace_id"], need)
    wanted = call.path_params["assessment_id"]
    row = trace.assessments.filter(assessment_id=wanted).select_related("overrides").first()
    if row is None:
        raise NotFound(
            f"Assessment with ID '{wanted[:100]}' not found for trace '{trace.trace_id}'."
        )
    return trace, row


ROUTES: Final = [
    Route("POST", "3.0/mlflow/traces/{trace_id}/assessments", create),
    Route("GET", ONE, get),
    Route("PATCH", ONE, update),
    Route("DELETE", ONE, delete),
]
