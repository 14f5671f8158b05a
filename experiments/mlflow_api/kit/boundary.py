"""Errors that reached the border: what a client is told of each."""

import sqlite3

from django.db import DatabaseError, DataError

from experiments.tracking.committing import told_of
from platform_site.core.errors import DomainError, Invalid, Unavailable


def refusal_for(error: Exception) -> DomainError | None:
    """Return what a client is told, or None for what only our own mistake explains."""
    if isinstance(error, DomainError):
        return error
    if isinstance(error, (DataError, OverflowError, UnicodeError)):
        return Invalid("A value of the request is too large, or is no text.")
    if isinstance(error, DatabaseError):
        cause = error.__cause__
        told = told_of(cause) if isinstance(cause, Exception) else error
        return told if isinstance(told, DomainError) else None
    if isinstance(error, sqlite3.Error) or type(error).__module__.startswith("psycopg"):
        told = told_of(error)
        return told if isinstance(told, DomainError) else None
    if isinstance(error, (TimeoutError, ConnectionError)):
        return Unavailable("A part of the server does not answer at present; try again soon.")
    return None
