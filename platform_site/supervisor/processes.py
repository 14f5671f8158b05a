"""One supervised process: forked from the loaded supervisor, leader of its own group."""

import gc
import logging
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NoReturn

import setproctitle

logger = logging.getLogger("assay.up")

FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 30.0
HEALTHY_AFTER_S = 30.0
INHERITED_SIGNALS = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGCHLD,
    signal.SIGUSR1,
)


@dataclass(frozen=True)
class Role:
    """What one child does: a name for people and the function that runs until the end."""

    name: str
    run: Callable[[], object]


@dataclass
class Child:
    """A role and the process that fills it at present.

    A process that dies is replaced after 0.5 s, then 1, 2, 4 … up to 30 s; one that lived
    for 30 s starts again at 0.5 s.
    """

    role: Role
    pid: int | None = None
    started_s: float = 0.0
    failures: int = 0
    due_s: float = field(default=0.0)

    def start(self, in_child: Callable[[Role], None]) -> None:
        """Fork the process; ``in_child`` runs first in it (close what is not its own)."""
        self.pid = fork(self.role, in_child)
        self.started_s = time.monotonic()

    def note_death(self, status: int, lived_s: float) -> float:
        """Clear up after a dead process; return the seconds to wait before the next one.

        Args:
            status: what waitpid said.
            lived_s: seconds that the process lived.
        """
        if self.pid is not None:
            signal_group(self.pid, signal.SIGKILL)
        self.failures = 1 if lived_s >= HEALTHY_AFTER_S else self.failures + 1
        delay_s = min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0 ** (self.failures - 1))
        logger.warning(
            "%s (process %s) %s; starts again in %.1f s",
            self.role.name,
            self.pid,
            describe_status(status),
            delay_s,
        )
        self.pid = None
        self.due_s = time.monotonic() + delay_s
        return delay_s


def fork(role: Role, in_child: Callable[[Role], None]) -> int:
    """Return the id of a new process that runs the role in a process group of its own."""
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        _become(role, in_child)
    try:
        os.setpgid(pid, pid)  # both sides do it: whoever is first, no signal misses the group
    except (ProcessLookupError, PermissionError):
        logger.debug("%s ended before its group was made", role.name)
    return pid


def _become(role: Role, in_child: Callable[[Role], None]) -> NoReturn:
    code = 1
    try:
        os.setpgid(0, 0)
        signal.set_wakeup_fd(-1)
        for number in INHERITED_SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        setproctitle.setproctitle(f"assay {role.name}")
        in_child(role)
        gc.enable()
        role.run()
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except KeyboardInterrupt:
        code = 130
    except BaseException:  # noqa: BLE001  # the edge of a process: say why, never run the parent's code
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def signal_group(pid: int, number: signal.Signals) -> None:
    """Send a signal to a child's whole group, if anything of it is left."""
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):
        logger.debug("group %s is empty", pid)


def describe_status(status: int) -> str:
    """Return how a process ended, in words, from what waitpid said."""
    if os.WIFSIGNALED(status):
        return f"was killed by {signal.Signals(os.WTERMSIG(status)).name}"
    return f"ended with exit code {os.WEXITSTATUS(status)}"
