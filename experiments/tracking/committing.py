"""Committing a group on the writer's own connection, and what happens when that fails."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Sequence
from typing import Final

from experiments.tracking.database import Database
from experiments.tracking.keys import KeyBook
from experiments.tracking.operations import Operation, Result
from experiments.tracking.writer import write_group
from platform_site.core.errors import DomainError, StorageFull, Unavailable

logger = logging.getLogger("assay.tracking")

Step = Callable[[], None]
DISK_FULL: Final = "53100"
# Connection lost, deadlock, operator's intervention, statement or lock timeout.
TEMPORARY_CLASSES: Final = ("08", "40", "57", "55")


class Committer:
    """The connection, and the numbers of keys that it knows; belongs to the writer's thread."""

    def __init__(self) -> None:
        self._db: Database | None = None
        self._keys = KeyBook()

    def run(self, work: Sequence[Operation | Step]) -> list[Result | Exception]:
        """Commit the operations together and run the steps after them; one answer for each."""
        operations = [one for one in work if not callable(one)]
        answers = iter(self._commit(operations) if operations else [])
        return [_answer_of(one) if callable(one) else next(answers) for one in work]

    def close(self) -> None:
        """Close the connection."""
        if self._db is not None:
            self._db.close()
            self._db = None

    def _commit(self, operations: Sequence[Operation]) -> Sequence[Result | Exception]:
        try:
            return self._attempt(operations)
        except Exception as error:  # noqa: BLE001  # whatever it is, each write gets its answer
            told = told_of(error)
            if isinstance(told, Unavailable) and not self._is_lost():
                return [told] * len(operations)  # the others would wait as long
            logger.info("a group of %d writes is retried one by one: %s", len(operations), error)
        answers: list[Result | Exception] = []
        for one in operations:
            is_down = answers and isinstance(answers[-1], Unavailable)
            answers.append(answers[-1] if is_down else self._commit_alone(one))
        return answers

    def _commit_alone(self, operation: Operation) -> Result | Exception:
        try:
            return self._attempt([operation])[0]
        except Exception as error:  # noqa: BLE001
            told = told_of(error)
        if not isinstance(told, DomainError):
            logger.error("a write failed", exc_info=told)
        return told

    def _attempt(self, operations: Sequence[Operation]) -> list[Result | DomainError]:
        if self._is_lost():
            self.close()
        try:
            if self._db is None:
                self._db = Database.open()
            with self._db.transaction():
                results = write_group(self._db, operations, self._keys)
        except BaseException:
            self._keys.roll_back()
            raise
        self._keys.commit()
        return results

    def _is_lost(self) -> bool:
        return self._db is not None and not self._db.is_usable


def _answer_of(step: Step) -> Exception | None:
    try:
        step()
    except Exception as error:  # noqa: BLE001  # the answer of who waits for it
        return error
    return None


def told_of(error: Exception) -> Exception:
    """Return the error that a client may be told, or the error itself when it is our mistake."""
    if isinstance(error, sqlite3.OperationalError):
        if "locked" in str(error) or "busy" in str(error):
            return Unavailable("The database is busy; try again soon.")
        if "full" in str(error):
            return StorageFull("The disk is full; nothing was stored.")
    state = getattr(error, "sqlstate", "")
    if state == DISK_FULL:
        return StorageFull("The disk is full; nothing was stored.")
    is_lost = state is None and type(error).__module__.startswith("psycopg")
    if is_lost or (state and state.startswith(TEMPORARY_CLASSES)):
        return Unavailable("The database does not answer at present; try again soon.")
    return error
