"""Hot endpoints: what they give back, and where they run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from django.db import connection

from experiments.mlflow_api.kit.answers import Answer, FileAnswer, ok
from experiments.mlflow_api.kit.call import Call
from experiments.mlflow_api.kit.pools import LOCAL_READER_THREADS, READER_THREADS, OwnDatabase, Pool
from experiments.mlflow_api.kit.routes import Route
from experiments.tracking.committing import told_of
from experiments.tracking.database import Database
from experiments.tracking.freshness import ensure_folded, fold_now
from experiments.tracking.group_commit import writer
from experiments.tracking.operations import Operation
from platform_site.core.errors import DomainError, Unavailable


def nothing(result: Any) -> Answer:
    """Return ``{}`` whatever the result is."""
    return ok()


@dataclass(slots=True)
class Write:
    """A hot endpoint's wish to write; `answer` makes the answer of the result, after the commit."""

    operation: Operation
    answer: Callable[[Any], Answer] = nothing


@dataclass(slots=True)
class InThread:
    """A hot endpoint's wish to be answered by a function that may block and use the ORM."""

    function: Callable[[], Any]


@dataclass(slots=True)
class FoldFirst:
    """A hot read's wish to be called again when the newest points of these runs are in place."""

    run_ids: Sequence[int]


@dataclass(slots=True)
class MayTakeLong:
    """A hot read's wish to be called again in a reader thread, with `call.may_take_long` set."""


LOCAL_BODY_BYTES: Final = 256 * 1024
"""Larger bodies are read in a thread: the tolerant reading of megabytes takes its time."""
WISHES: Final = (Write, InThread, FoldFirst, MayTakeLong)


def settle(result: Any) -> Answer | FileAnswer:
    """Return what an endpoint gave back as an answer."""
    return result if isinstance(result, (Answer, FileAnswer)) else ok(result)


def run_on_django(route: Route, call: Call) -> Any:
    """Return the answer of a hot endpoint, run on Django's connection of this thread.

    Raises:
        DomainError: what the endpoint or the writer refuses.
    """
    call.may_take_long = True
    result = route.endpoint(call, Database.of_django())
    while isinstance(result, WISHES):
        if isinstance(result, Write):
            result = result.answer(writer.write(result.operation))
        elif isinstance(result, InThread):
            result = result.function()
        elif isinstance(result, FoldFirst):
            call.is_folded = True
            ensure_folded(Database.of_django(), run_ids=result.run_ids)
            result = route.endpoint(call, Database.of_django())
    return result


class HotRunner:
    """Runs hot endpoints for the event loop.

    SQLite's short reads run on the loop itself: they cost less than a hop to a thread. Long ones,
    and all of PostgreSQL's, whose answers have to be waited for, run in reader threads.
    """

    def __init__(self, orm: Pool) -> None:
        self._orm = orm
        self._own = OwnDatabase()
        self._is_local = connection.vendor == "sqlite"
        n_readers = LOCAL_READER_THREADS if self._is_local else READER_THREADS
        self._readers: Final = Pool("protocol-reader", n_readers)

    async def run(self, route: Route, call: Call) -> Answer | FileAnswer:
        """Return the endpoint's answer.

        Raises:
            DomainError: what the endpoint or the writer refuses.
        """
        is_large = len(call.body) > LOCAL_BODY_BYTES
        call.may_take_long = route.long or is_large or not self._is_local
        if route.blind and not is_large:
            result = route.endpoint(call, None)
        else:
            result = await self._read(route, call)
        while isinstance(result, WISHES):
            if isinstance(result, Write):
                result = result.answer(await writer.submit(result.operation))
            elif isinstance(result, InThread):
                result = await self._orm.run(result.function)
            elif isinstance(result, MayTakeLong):
                call.may_take_long = True
                result = await self._read(route, call)
            else:
                call.is_folded = True
                await writer.submit(partial(fold_now, result.run_ids))
                result = await self._read(route, call)
        return settle(result)

    async def _read(self, route: Route, call: Call) -> Any:
        if not call.may_take_long:
            return self._call(route, call)
        return await self._readers.run(self._call, route, call)

    def _call(self, route: Route, call: Call) -> Any:
        try:
            return self._attempt(route, call)
        except _LostConnection:
            # The database was restarted, say. Reading twice does no harm.
            return self._attempt(route, call)

    def _attempt(self, route: Route, call: Call) -> Any:
        db = self._own.get()
        try:
            return route.endpoint(call, db)
        except DomainError:
            raise
        except Exception as error:
            was_lost = not db.is_usable
            self._own.forget()
            told = told_of(error)
            if was_lost:
                raise _LostConnection("The database does not answer at present.") from error
            if told is error:
                raise
            raise told from error


class _LostConnection(Unavailable):
    """The connection broke while it was used."""
