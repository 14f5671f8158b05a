"""Refusals in the protocol's words: a status, and ``{error_code, message}`` as JSON."""

from typing import Final

from platform_site.core.errors import AlreadyExists, DomainError

__all__ = [
    "AlreadyExists",
    "ProtocolError",
    "error_code_of",
    "invalid_value",
    "missing_value",
    "status_of",
]

STATUS_OF_CODE: Final = {
    "INVALID_PARAMETER_VALUE": 400,
    "BAD_REQUEST": 400,
    "RESOURCE_ALREADY_EXISTS": 400,
    "UNAUTHENTICATED": 401,
    "CUSTOMER_UNAUTHORIZED": 401,
    "PERMISSION_DENIED": 403,
    "RESOURCE_DOES_NOT_EXIST": 404,
    "NOT_FOUND": 404,
    "ENDPOINT_NOT_FOUND": 404,
    "ABORTED": 409,
    "RESOURCE_CONFLICT": 409,
    "ALREADY_EXISTS": 409,
    "REQUEST_LIMIT_EXCEEDED": 429,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL_ERROR": 500,
    "NOT_IMPLEMENTED": 501,
    "TEMPORARILY_UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
CODE_OF_STATUS: Final = {
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "RESOURCE_DOES_NOT_EXIST",
    409: "RESOURCE_CONFLICT",
    429: "REQUEST_LIMIT_EXCEEDED",
    500: "INTERNAL_ERROR",
    503: "TEMPORARILY_UNAVAILABLE",
    507: "RESOURCE_EXHAUSTED",
}
# Statuses that say more than the code; clients look at both.
KEPT_STATUSES: Final = frozenset({401, 403, 404, 405, 409, 411, 413, 415, 416, 429, 503, 507})


class ProtocolError(DomainError):
    """A refusal with one of the protocol's own codes.

    Args:
        error_code: a key of `STATUS_OF_CODE`.
        message: one plain sentence.
        status: where the code's usual status is not meant.
    """

    def __init__(self, error_code: str, message: str, *, status: int | None = None) -> None:
        super().__init__(message, code=error_code.lower())
        self.error_code = error_code
        self.status = status or STATUS_OF_CODE[error_code]


def error_code_of(error: DomainError) -> str:
    """Return the protocol's code for an error of the domain."""
    if isinstance(error, ProtocolError):
        return error.error_code
    if isinstance(error, AlreadyExists):
        return "RESOURCE_ALREADY_EXISTS"
    return CODE_OF_STATUS.get(error.status, "INVALID_PARAMETER_VALUE")


def status_of(error: DomainError) -> int:
    """Return the HTTP status that clients of the protocol expect for an error of the domain."""
    if isinstance(error, ProtocolError) or (
        error.status in KEPT_STATUSES and not isinstance(error, AlreadyExists)
    ):
        return error.status
    return 400


def missing_value(path: str) -> ProtocolError:
    """Return the refusal of a request that lacks a field that it needs."""
    return ProtocolError(
        "INVALID_PARAMETER_VALUE", f"Missing value for required parameter '{path}'."
    )


def invalid_value(path: str, value_json: str, why: str = "") -> ProtocolError:
    """Return the refusal of a field's value; a long one is shown in part."""
    shown = value_json if len(value_json) <= 500 else value_json[:500] + "…"
    reason = f": {why}" if why else "."
    return ProtocolError(
        "INVALID_PARAMETER_VALUE",
        f"Invalid value {shown} for parameter '{path}' supplied{reason}",
    )
