"""The API's translator: errors become ``{error_code, message, details, request_id}``."""

from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.http import Http404, HttpRequest
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler

from platform_site.core.errors import DomainError
from platform_site.core.json_parser import BodyTooLarge

CODES = {
    400: "invalid",
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    413: "too_large",
    415: "unsupported_media_type",
    429: "too_many",
}


def error_body(error: DomainError, request: HttpRequest | None) -> dict[str, Any]:
    """Return the JSON body for a domain error."""
    return {
        "error_code": error.code,
        "message": error.message,
        "details": error.details,
        "request_id": getattr(request, "request_id", None),
    }


def handle(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler: every refusal has one shape; the unexpected stays a 500."""
    request = context.get("request")
    plain_request = getattr(request, "_request", request)
    if isinstance(error, DomainError):
        headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else None
        return Response(error_body(error, plain_request), status=error.status, headers=headers)
    if isinstance(error, (Http404, PermissionDenied)):
        error = (
            exceptions.NotFound() if isinstance(error, Http404) else exceptions.PermissionDenied()
        )
    if isinstance(error, RequestDataTooBig):
        error = BodyTooLarge()
    response = exception_handler(error, context)
    if response is None or not isinstance(error, exceptions.APIException):
        return response
    details: Any = {}
    message = str(error.detail) if isinstance(error.detail, str) else ""
    if isinstance(error, exceptions.ValidationError):
        details = {"fields": error.detail}
        message = _first_message(error.detail)
    response.data = {
        "error_code": CODES.get(response.status_code, "error"),
        "message": message or str(error.default_detail),
        "details": details,
        "request_id": getattr(plain_request, "request_id", None),
    }
    return response


def _first_message(detail: Any, field: str = "") -> str:
    if isinstance(detail, dict) and detail:
        name, inner = next(iter(detail.items()))
        path = f"{field}.{name}" if field else str(name)
        return _first_message(inner, "" if name == "non_field_errors" else path)
    if isinstance(detail, list) and detail:
        return _first_message(detail[0], field)
    return f"{field}: {detail}" if field else str(detail)
