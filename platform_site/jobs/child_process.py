"""The child process of a job as its supervisor sees it: start, warm spare, wish, kill."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from django.conf import settings

from platform_site.jobs.claims import training_slots

READY_LINE = b"ready\n"
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

# Waiting OpenMP threads sleep instead of spinning: on a machine busy with other work a histogram
# gradient boosting fit took 8 s so, 26 to 119 s otherwise (2 cores, load 9, 2026-11-20).
QUIET_OPENMP = {"OMP_WAIT_POLICY": "PASSIVE"}


@dataclass(frozen=True)
class Usage:
    """What the child uses at present."""

    rss_bytes: int
    cpu_percent: float
    cpu_s: float


class ChildProcess:
    """One `manage.py run_job` process in its own process group."""

    def __init__(self) -> None:
        threads = str(threads_per_job())
        environment = {
            **os.environ,
            **dict.fromkeys(THREAD_VARIABLES, threads),
            **QUIET_OPENMP,
        }
        self.process = subprocess.Popen(  # noqa: S603  # our own command, no shell
            [sys.executable, str(settings.BASE_DIR / "manage.py"), "run_job"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            env=environment,
            cwd=settings.BASE_DIR,
        )
        self._observed: psutil.Process | None = None
        self._is_warm = False

    @property
    def pid(self) -> int:
        """The process id, also that of its group."""
        return self.process.pid

    def is_alive(self) -> bool:
        """Whether the process still runs (and reap it if not)."""
        return self.process.poll() is None

    def wait_until_warm(self) -> None:
        """Block until the heavy libraries are imported or the child has died.

        The child says so once: whoever asks again gets the answer from memory.
        """
        assert self.process.stdout is not None  # noqa: S101  # opened as a pipe above
        if not self._is_warm:
            self.process.stdout.readline()
            self._is_warm = True

    def start_job(self, job_id: int, fence: int) -> bool:
        """Tell the child which job to work on; False when it is no longer there."""
        return self._send({"job_id": job_id, "fence": fence})

    def wish(self, word: str) -> bool:
        """Pass on a wish: "pause" or "stop"."""
        return self._send({"wish": word})

    def _send(self, message: dict[str, Any]) -> bool:
        assert self.process.stdin is not None  # noqa: S101  # opened as a pipe above
        try:
            self.process.stdin.write(json.dumps(message).encode() + b"\n")
            self.process.stdin.flush()
        except (BrokenPipeError, OSError):
            return False
        return True

    def usage(self) -> Usage | None:
        """Return memory and CPU of the child and its own children, None when it is gone."""
        try:
            if self._observed is None:
                self._observed = psutil.Process(self.pid)
                self._observed.cpu_percent()
            family = [self._observed, *self._observed.children(recursive=True)]
            times = self._observed.cpu_times()
            return Usage(
                rss_bytes=sum(one.memory_info().rss for one in family),
                cpu_percent=self._observed.cpu_percent(),
                cpu_s=times.user + times.system,
            )
        except psutil.Error:
            return None

    def kill(self) -> None:
        """End the whole process group at once and reap the child."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self.close()

    def close(self) -> None:
        """Close our ends of the pipes."""
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:
                    pass


class Spare:
    """A warm child per worker, so that a job starts at once; it leaves when idle for long."""

    def __init__(self) -> None:
        self._child: ChildProcess | None = None

    def take(self) -> ChildProcess:
        """Return a living child, warm if there is one."""
        child, self._child = self._child, None
        if child is not None and child.is_alive():
            return child
        if child is not None:
            child.close()
        return ChildProcess()

    def prepare(self) -> ChildProcess:
        """Start the next warm child unless there is one."""
        if self._child is None or not self._child.is_alive():
            self._child = ChildProcess()
        return self._child


spare = Spare()


def threads_per_job() -> int:
    """Return this machine's cores shared among its training slots."""
    return max(1, len(os.sched_getaffinity(0)) // training_slots())


def work_dir_of(job_id: int) -> Path:
    """Return the private directory of the job, made on first use."""
    path: Path = settings.DATA_DIR / "jobs" / str(job_id)
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def wait_briefly(duration_s: float) -> None:
    """Sleep between two looks at the child."""
    time.sleep(duration_s)
