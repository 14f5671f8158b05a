"""The main function of a job's child process."""

import ctypes
import importlib
import json
import logging
import os
import resource
import select
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import Any, BinaryIO, Final

from django.db import connection

from platform_site.core.errors import DomainError
from platform_site.core.log_filters import redact
from platform_site.jobs import kinds, states
from platform_site.jobs.child_process import READY_LINE, work_dir_of
from platform_site.jobs.context import Fenced, JobContext
from platform_site.jobs.exit_reasons import OUTPUT_FILE
from platform_site.jobs.models import Job
from platform_site.jobs.outcome import Outcome, write_outcome

logger = logging.getLogger("assay.jobs")

IDLE_LIMIT_S: Final = 600.0
PR_SET_PDEATHSIG: Final = 1
EXIT_FENCED: Final = 13
NO_THREAD: Final = "can't start new thread"
OUT_OF_MEMORY: Final = "The job needed more memory than it was allowed."
UNEXPECTED: Final = "Something went wrong inside the job. An administrator can see the details."


class Paused(Exception):
    """Raised by a task that has saved its state because a pause was wished."""


class Stopped(Exception):
    """Raised by a task that ended early because a stop was wished; `result` is kept."""

    def __init__(self, result: dict[str, Any] | None = None) -> None:
        super().__init__()
        self.result = result or {}


def main() -> int:
    """Wait for a job on standard input and work on it; return the exit code."""
    _die_with_supervisor()
    commands = sys.stdin.buffer
    _preload()
    sys.stdout.buffer.write(READY_LINE)
    sys.stdout.buffer.flush()
    order = _wait_for_order(commands)
    if order is None:
        return 0
    work_dir = work_dir_of(order["job_id"])
    _redirect_output(work_dir)
    try:
        job = Job.objects.get(pk=order["job_id"], fence=order["fence"])
    except Job.DoesNotExist:
        return EXIT_FENCED
    _limit_memory(job)
    context = JobContext(job, work_dir)
    threading.Thread(target=_follow_wishes, args=(commands, context), daemon=True).start()
    try:
        outcome = _work(job, context)
        context.close()
    except Fenced:
        return EXIT_FENCED
    connection.close()
    write_outcome(work_dir, outcome)
    return 0


def _work(job: Job, context: JobContext) -> Outcome:
    try:
        result = kinds.resolve(kinds.get(job.kind).task)(context)
    except Fenced:
        raise
    except Paused:
        return Outcome(status=states.PAUSED)
    except Stopped as stopped:
        return Outcome(status=states.STOPPED, result=stopped.result)
    except Exception as error:  # noqa: BLE001  # the job runner's boundary
        return _failure(job, error)
    return Outcome(status=states.COMPLETED, result=result or {})


def _failure(job: Job, error: Exception) -> Outcome:
    """Say why in words for people; details only where the fault is ours or the machine's."""
    if isinstance(error, DomainError) or _is_users_mistake(error):
        return Outcome(
            status=states.FAILED,
            error_code=str(getattr(error, "code", "invalid")),
            error_message=str(getattr(error, "message", error)),
        )
    out_of_memory = _ran_out_of_memory(error)
    if not out_of_memory:
        logger.error("job %s failed", job.pk, exc_info=error)
    return Outcome(
        status=states.FAILED,
        error_code="out_of_memory" if out_of_memory else "internal_error",
        error_message=OUT_OF_MEMORY if out_of_memory else UNEXPECTED,
        traceback=redact("".join(traceback.format_exception(error))),
    )


def _ran_out_of_memory(error: BaseException | None) -> bool:
    """A thread that finds no room for its stack is the same want; others hide either in a chain."""
    while error is not None:
        if isinstance(error, MemoryError) or NO_THREAD in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def _is_users_mistake(error: Exception) -> bool:
    """Engines raise errors with a code and a message meant for people."""
    return hasattr(error, "code") and hasattr(error, "message") and hasattr(error, "details")


def _preload() -> None:
    for name in kinds.preload_modules():
        importlib.import_module(name)


def _wait_for_order(commands: BinaryIO) -> dict[str, Any] | None:
    """Return the order, None when nobody needs this child any more."""
    readable, _, _ = select.select([commands], [], [], IDLE_LIMIT_S)
    line = commands.readline() if readable else b""
    order: dict[str, Any] | None = json.loads(line) if line else None
    return order


def _follow_wishes(commands: BinaryIO, context: JobContext) -> None:
    """Take over wishes; a closed pipe means that the supervisor is gone, so are we."""
    for line in commands:
        context.set_wish(json.loads(line)["wish"])
    os.kill(os.getpid(), signal.SIGKILL)


def _die_with_supervisor() -> None:
    """Ask Linux to kill this process when its parent dies, whatever C code is running."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _redirect_output(work_dir: Path) -> None:
    """Send what libraries print to the job's own file."""
    handle = os.open(
        work_dir / OUTPUT_FILE, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600
    )
    sys.stdout.flush()
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    os.close(handle)


def _limit_memory(job: Job) -> None:
    """Make the next allocation above the limit a MemoryError of this process alone."""
    if job.memory_limit_bytes:
        used = _address_space_bytes()
        limit = used + job.memory_limit_bytes
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _address_space_bytes() -> int:
    """Return what is mapped before the work begins: libraries count, though hardly any is used."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    except OSError:
        return 0
    return pages * resource.getpagesize()
