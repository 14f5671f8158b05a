"""Errors of the domain: a stable code, an HTTP status and data; only translators know HTTP."""

from typing import Any


class DomainError(Exception):
    """Something a person asked for cannot be done; safe to show to that person.

    Args:
        message: one plain sentence that names what is wrong and where.
        code: stable identifier for programs; the class default when omitted.
        details: JSON-clean data, for example ``{"field": "target"}``.
    """

    code = "domain_error"
    status = 400

    def __init__(self, message: str, *, code: str | None = None, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.details = details


class Invalid(DomainError):
    """The request is understood but asks for something that does not fit."""

    code = "invalid"
    status = 400


class Unprocessable(DomainError):
    """The bytes or the specification cannot be worked with."""

    code = "unprocessable"
    status = 422


class NotFound(DomainError):
    """The object does not exist, or the person may not know that it does."""

    code = "not_found"
    status = 404


class Forbidden(DomainError):
    """The person may see the object but not do this to it."""

    code = "forbidden"
    status = 403


class Unauthenticated(DomainError):
    """Nobody is signed in, or the token is not good."""

    code = "unauthenticated"
    status = 401


class Conflict(DomainError):
    """The object is in a state that does not allow this."""

    code = "conflict"
    status = 409


class AlreadyExists(Conflict):
    """Something with this name exists already."""

    code = "already_exists"


class TooLarge(DomainError):
    """A stated size limit is exceeded."""

    code = "too_large"
    status = 413


class TooMany(DomainError):
    """A stated rate or count limit is exceeded."""

    code = "too_many"
    status = 429


class Unavailable(DomainError):
    """A part that this needs does not answer at present; trying again may help."""

    code = "unavailable"
    status = 503


class StorageFull(DomainError):
    """The disk or a quota is full; nothing was stored."""

    code = "storage_full"
    status = 507
