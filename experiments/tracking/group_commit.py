"""One writer thread per process: what waits when it turns up shares one durable transaction.

No timer gathers writes: while one commit is on its way to the disk, the next group forms.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import queue
import threading
import weakref
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Final

from experiments.tracking.background_fold import BackgroundFold
from experiments.tracking.committing import Committer, Step
from experiments.tracking.database import Database
from experiments.tracking.operations import CreateRun, LogBatch, Operation, Result
from experiments.tracking.writer import write_group
from platform_site.core.errors import DomainError, Unavailable
from platform_site.core.leaving import on_leave
from platform_site.core.transactions import in_transaction

logger = logging.getLogger("assay.tracking")

# An item is a point, a param, a tag or the operation itself.
MAX_GROUP_ITEMS: Final = 50_000
MAX_GROUP_OPERATIONS: Final = 256
MAX_WAITING_ITEMS: Final = 500_000
CLOSE_WITHIN_S: Final = 60.0

Answer = Result | Exception


@dataclass(slots=True)
class _Ticket:
    """An operation and who waits for it."""

    operation: Operation | Step
    n_items: int
    future: asyncio.Future[Result] | Future[Result]
    loop: asyncio.AbstractEventLoop | None

    def settle(self, answer: Answer) -> None:
        if self.future.done():
            return  # the client has gone
        if isinstance(answer, Exception):
            self.future.set_exception(answer)
        else:
            self.future.set_result(answer)


_Queue = queue.SimpleQueue[_Ticket | None]


class GroupCommit:
    """Takes writes from any thread and event loop; answers after the commit.

    The thread starts with the first write, in whichever process that is.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._queue: _Queue = queue.SimpleQueue()
        self._n_waiting = 0
        _instances.add(self)

    def submit(self, operation: Operation | Step) -> asyncio.Future[Result]:
        """Hand over a write (or a step, see `run`) from a coroutine.

        The future ends after the commit, or with the refusal.

        Raises:
            Unavailable: when too much waits already.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        self._put(_Ticket(operation, _items_of(operation), future, loop))
        return future

    def write(self, operation: Operation) -> Result:
        """Return the result after the commit; inside a transaction of Django's: after the write.

        Raises:
            DomainError: the refusal; nothing of the operation was stored.
        """
        if in_transaction():
            (result,) = write_group(Database.of_django(), [operation])
            if isinstance(result, DomainError):
                raise result
            return result
        future: Future[Result] = Future()
        self._put(_Ticket(operation, _items_of(operation), future, None))
        return future.result()

    def run(self, step: Step) -> None:
        """Run the step in the writer's thread, between two groups, and wait for its end.

        For what writes much: two threads that write to SQLite wait for each other by sleeping.
        """
        if in_transaction():
            step()
            return
        future: Future[Result] = Future()
        self._put(_Ticket(step, 1, future, None))
        future.result()

    def close(self) -> None:
        """Commit what was handed over and end the thread; a later write starts another."""
        with self._lock:
            thread, waiting = self._thread, self._queue
            self._thread, self._queue = None, queue.SimpleQueue()
        if thread is not None:
            waiting.put(None)
            thread.join(CLOSE_WITHIN_S)

    def _put(self, ticket: _Ticket) -> None:
        with self._lock:
            if self._n_waiting + ticket.n_items > MAX_WAITING_ITEMS and self._n_waiting:
                raise Unavailable("Too many writes wait for the database; try again soon.")
            self._n_waiting += ticket.n_items
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._work, args=(self._queue,), name="tracking-writer", daemon=True
                )
                self._thread.start()
            self._queue.put(ticket)

    def forget(self) -> None:
        """Start over in a forked process: thread and queue belong to the parent."""
        self._lock = threading.Lock()
        self._thread = None
        self._queue = queue.SimpleQueue()
        self._n_waiting = 0

    # -- in the writer's thread -----------------------------------------------------------------

    def _work(self, waiting: _Queue) -> None:
        committer, folder = Committer(), BackgroundFold()
        is_open = True
        while is_open:
            group, is_open = _next_group(waiting, folder.due_in_s())
            if group:
                self._do(group, committer)
                folder.note_writes()
            folder.fold_if_due()
        committer.close()
        folder.close()

    def _do(self, group: list[_Ticket], committer: Committer) -> None:
        operations = [ticket.operation for ticket in group]
        try:
            answers = committer.run(operations)
        except Exception as error:
            logger.exception("a group of writes failed")
            answers = [error] * len(group)
        with self._lock:
            self._n_waiting -= sum(ticket.n_items for ticket in group)
        _settle(group, answers)


def _next_group(waiting: _Queue, wait_s: float | None) -> tuple[list[_Ticket], bool]:
    """Wait for a ticket; return it with what waits behind it, and whether more may come."""
    group: list[_Ticket] = []
    n_items = 0
    try:
        ticket = waiting.get(timeout=wait_s)
        while ticket is not None:
            group.append(ticket)
            n_items += ticket.n_items
            if n_items >= MAX_GROUP_ITEMS or len(group) >= MAX_GROUP_OPERATIONS:
                return group, True
            ticket = waiting.get_nowait()
    except queue.Empty:
        return group, True
    return group, False


def _settle(group: Sequence[_Ticket], answers: Sequence[Answer]) -> None:
    """Hand the answers out, with one wake-up for each event loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[_Ticket, Answer]]] = {}
    for ticket, answer in zip(group, answers, strict=True):
        if ticket.loop is None:
            ticket.settle(answer)
        else:
            by_loop.setdefault(ticket.loop, []).append((ticket, answer))
    for loop, pairs in by_loop.items():
        try:
            loop.call_soon_threadsafe(_settle_all, pairs)
        except RuntimeError:
            logger.info("%d writes were committed after their event loop had ended", len(pairs))


def _settle_all(pairs: list[tuple[_Ticket, Answer]]) -> None:
    for ticket, answer in pairs:
        ticket.settle(answer)


def _items_of(operation: Operation | Step) -> int:
    if isinstance(operation, LogBatch):
        return 1 + len(operation.metrics) + len(operation.params) + len(operation.tags)
    return 1 + len(operation.tags) if isinstance(operation, CreateRun) else 1


_instances: weakref.WeakSet[GroupCommit] = weakref.WeakSet()
writer: Final = GroupCommit()
"""The process's own; `writer.submit` on the event loop, `writer.write` elsewhere."""


def _after_fork() -> None:
    for instance in _instances:
        instance.forget()


os.register_at_fork(after_in_child=_after_fork)
atexit.register(writer.close)
on_leave(writer.close)
