"""A pipe whose writing end only the supervisor holds: end of file means that it is gone.

Works for every death of the supervisor, kill -9 included, on every system with pipes.
"""

import os
import signal
import threading
import time
from dataclasses import dataclass

GRACE_S = 1.0


@dataclass(frozen=True)
class Lifeline:
    """The two ends of the pipe; children close the writing end first of all."""

    read_fd: int
    write_fd: int

    def close_write_end(self) -> None:
        """Let go of the writing end, as every child must."""
        os.close(self.write_fd)


def make_lifeline() -> Lifeline:
    """Return a new pipe; neither end survives an exec unless it is passed on by name."""
    read_fd, write_fd = os.pipe()
    return Lifeline(read_fd, write_fd)


def follow(read_fd: int, *, grace_s: float = GRACE_S) -> None:
    """End this process's whole group once the supervisor is gone: SIGTERM, then SIGKILL.

    Args:
        read_fd: reading end; nobody ever writes, so a read returns at end of file only.
        grace_s: seconds between the two signals.
    """
    threading.Thread(
        target=_wait_and_end, args=(read_fd, grace_s), name="lifeline", daemon=True
    ).start()


def follow_in_forks(read_fd: int) -> None:
    """Follow here and in every process that is forked from here on (a queue's workers)."""
    follow(read_fd)
    os.register_at_fork(after_in_child=lambda: follow(read_fd))


def _wait_and_end(read_fd: int, grace_s: float) -> None:
    os.read(read_fd, 1)
    group = os.getpgrp()
    os.killpg(group, signal.SIGTERM)
    time.sleep(grace_s)
    os.killpg(group, signal.SIGKILL)
