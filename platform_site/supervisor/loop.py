"""The supervisor's loop: start the children, replace the dead, end everything in time."""

import logging
import os
import select
import signal
import time
from collections.abc import Callable
from typing import Any

import psutil

from platform_site.supervisor.processes import Child, Role, signal_group

logger = logging.getLogger("assay.up")

GRACE_S = 3.0
"""From SIGTERM to the leaders until their groups hear it too."""
LAST_GRACE_S = 0.8
"""From there until whatever is left is killed."""
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Supervisor:
    """Keeps one process per role alive until a stop signal comes.

    SIGUSR1 asks for a fresh cluster (the sampler's watchdog sends it). Single-threaded by
    design: children are forks, and a fork of a process with threads may hold a lock for ever.
    """

    def __init__(
        self, roles: list[Role], *, in_child: Callable[[Role], None], on_change: Callable[[], None]
    ) -> None:
        self.children = [Child(role) for role in roles]
        self._in_child = in_child
        self._on_change = on_change
        self._stop_signal: int | None = None
        self._restart_wanted = False
        self._wake_read, self._wake_write = os.pipe()

    def run(self) -> int:
        """Run until told to stop; return the exit code (0: everything ended as asked)."""
        self._listen_for_signals()
        while self._stop_signal is None:
            self._start_due()
            self._sleep(self._next_due_s())
            self._reap()
            if self._restart_wanted:
                self._restart_wanted = False
                self._restart("cluster")
        return self._end()

    def pids(self) -> dict[str, int]:
        """Return the running process of every role."""
        return {child.role.name: child.pid for child in self.children if child.pid is not None}

    def _listen_for_signals(self) -> None:
        os.set_blocking(self._wake_write, False)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        for number in (*STOP_SIGNALS, signal.SIGCHLD, signal.SIGUSR1):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: Any) -> None:
        if number in STOP_SIGNALS:
            self._stop_signal = number
        elif number == signal.SIGUSR1:
            self._restart_wanted = True

    def _sleep(self, seconds: float | None) -> None:
        ready, _, _ = select.select([self._wake_read], [], [], seconds)
        if ready:
            os.read(self._wake_read, 4096)

    def _next_due_s(self) -> float | None:
        waits = [child.due_s - time.monotonic() for child in self.children if child.pid is None]
        return max(0.0, min(waits)) if waits else None

    def _start_due(self) -> None:
        due = [
            child
            for child in self.children
            if child.pid is None and child.due_s <= time.monotonic()
        ]
        for child in due:
            child.start(self._close_own_ends)
        if due:
            self._on_change()

    def _close_own_ends(self, role: Role) -> None:
        os.close(self._wake_read)
        os.close(self._wake_write)
        self._in_child(role)

    def _reap(self) -> None:
        changed = False
        for child in self.children:
            status = _ended(child.pid)
            if status is not None:
                child.note_death(status, time.monotonic() - child.started_s)
                changed = True
        if changed:
            self._on_change()

    def _restart(self, name: str) -> None:
        for child in self.children:
            if child.role.name == name and child.pid is not None:
                logger.warning("%s does not take work; starting a fresh one", name)
                signal_group(child.pid, signal.SIGKILL)

    def _end(self) -> int:
        """Ask the leaders, then their groups, then kill whatever descends from us."""
        running = [child.pid for child in self.children if child.pid is not None]
        family = _descendants()
        for pid in running:
            _signal(pid, signal.SIGTERM)
        running = self._wait_for(running, GRACE_S)
        for pid in running:
            signal_group(pid, signal.SIGTERM)
        running = self._wait_for(running, LAST_GRACE_S)
        for child in self.children:
            if child.pid is not None:
                signal_group(child.pid, signal.SIGKILL)
        for process in family:
            _kill(process)
        self._wait_for(running, LAST_GRACE_S)
        for child in self.children:
            child.pid = None
        self._on_change()
        return 0

    def _wait_for(self, pids: list[int], seconds: float) -> list[int]:
        """Return those still running when the time is over."""
        deadline_s = time.monotonic() + seconds
        left = pids
        while True:
            left = [pid for pid in left if _ended(pid) is None]
            remaining_s = deadline_s - time.monotonic()
            if not left or remaining_s <= 0:
                return left
            self._sleep(min(remaining_s, 0.1))


def _ended(pid: int | None) -> int | None:
    """Return the wait status of a child that ended, None while it runs."""
    if pid is None:
        return None
    try:
        done, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return 0
    return status if done else None


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        logger.debug("process %s is gone", pid)


def _descendants() -> list[psutil.Process]:
    """Return the whole family: a job's process may lead a group of its own."""
    return psutil.Process().children(recursive=True)


def _kill(process: psutil.Process) -> None:
    try:
        process.kill()  # checks the start time: never a stranger with a reused number
    except psutil.NoSuchProcess:
        logger.debug("process %s is gone", process.pid)
