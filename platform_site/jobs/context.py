"""What a task sees of its job inside the child process: report, log, wish, fenced writes."""

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Literal

from django.db import connection
from django.db.models import Max

from platform_site.core.clock import now
from platform_site.core.transactions import write_transaction
from platform_site.jobs import states
from platform_site.jobs.models import Job, JobLogLine

logger = logging.getLogger("assay.jobs")

Wish = Literal["pause", "stop"]
FLUSH_EVERY_S: Final = 0.2
# On a busy machine or behind other writers a flush takes long: then rarer, so that reports cost
# about a tenth of the time at most.
REST_PER_FLUSH: Final = 10.0
LONGEST_REST_S: Final = 1.0
MAX_LINE_CHARS: Final = 16_000


class Fenced(Exception):
    """This child no longer holds the job; whatever it would write is refused."""


class JobContext:
    """Reports are buffered and written by a thread of their own, one to five times a second.

    `on_flush(job, buffered)` may be set by the task: it runs inside each flush's transaction with
    the items added by `add` since the last one, and may publish events.
    """

    def __init__(self, job: Job, work_dir: Path) -> None:
        self.job_id = job.pk
        self.payload: dict[str, Any] = job.payload
        self.fence = job.fence
        self.attempt = job.attempts
        self.work_dir = work_dir
        self.time_limit_s = job.time_limit_s
        self.on_flush: Callable[[dict[str, Any], list[Any]], None] | None = None
        self._job = job
        self._lock = threading.Lock()
        self._progress: dict[str, Any] = {}
        self._lines: list[tuple[str, str, Any]] = []
        self._items: list[Any] = []
        self._wish: Wish | None = None
        self._error: Exception | None = None
        self._closing = threading.Event()
        self._next_line = 1 + (
            JobLogLine.objects.filter(job_id=job.pk).aggregate(last=Max("number"))["last"] or 0
        )
        self._flusher = threading.Thread(target=self._flush_often, name="flusher", daemon=True)
        self._flusher.start()

    def report(self, stage: str, fraction: float, eta_s: float | None = None) -> None:
        """Say how far the work is: stage, 0…1 of the whole, seconds left if known."""
        percent = 100.0 * min(1.0, max(0.0, fraction))
        with self._lock:
            self._progress = {
                "stage": stage[:60],
                "progress_percent": percent,
                "eta_s": None if eta_s is None else max(0.0, eta_s),
            }
        self._raise_pending()

    def add(self, item: Any) -> None:
        """Buffer something for `on_flush`."""
        with self._lock:
            self._items.append(item)

    def log(self, text: str, level: str = "info") -> None:
        """Add a line to the job's log."""
        with self._lock:
            self._lines.append((level, text[:MAX_LINE_CHARS].replace("\x00", "�"), now()))

    def should_stop(self) -> Wish | None:
        """Return the wish that the task should follow between two steps."""
        self._raise_pending()
        return self._wish

    def set_wish(self, wish: Wish) -> None:
        """Take over a wish that came from the supervisor; stop outranks pause."""
        if self._wish != "stop":
            self._wish = wish

    def write(self, step: Callable[[], Any]) -> Any:
        """Run the step in a write transaction that first checks that we hold the job.

        Raises:
            Fenced: when another worker has taken over.
        """
        self.flush()
        with write_transaction():
            self._check_fence()
            return step()

    def flush(self) -> None:
        """Write what is buffered now.

        Raises:
            Fenced: when another worker has taken over.
        """
        with self._lock:
            progress, self._progress = self._progress, {}
            lines, self._lines = self._lines, []
            items, self._items = self._items, []
            first = self._next_line
            self._next_line += len(lines)
        if not (progress or lines or items):
            return
        rows = [
            JobLogLine(job_id=self.job_id, number=first + n, level=level, text=text, at=at)
            for n, (level, text, at) in enumerate(lines)
        ]
        with write_transaction():
            self._check_fence(**progress)
            JobLogLine.objects.bulk_create(rows)
            if self.on_flush is not None:
                shown = {**progress, "log_lines": rows}
                self.on_flush(shown, items)

    def close(self) -> None:
        """Write the rest and end the thread."""
        self._closing.set()
        self._flusher.join()
        self._raise_pending()
        self.flush()

    def _check_fence(self, **progress: Any) -> None:
        held = Job.objects.filter(pk=self.job_id, fence=self.fence, status__in=states.ON_A_WORKER)
        if not (held.update(**progress) if progress else held.exists()):
            raise Fenced(f"job {self.job_id} is held by another worker")

    def _raise_pending(self) -> None:
        if self._error is not None:
            raise self._error

    def _flush_often(self) -> None:
        rest_s = FLUSH_EVERY_S
        while not self._closing.wait(rest_s):
            began_s = time.monotonic()
            try:
                self.flush()
            except Exception as error:  # noqa: BLE001  # handed to the working thread
                logger.warning("job %s: cannot report: %s", self.job_id, error)
                self._error = error
                break
            took_s = time.monotonic() - began_s
            rest_s = min(LONGEST_REST_S, max(FLUSH_EVERY_S, REST_PER_FLUSH * took_s))
        connection.close()


def wait_for(duration_s: float) -> None:
    """Sleep; for tasks that wait on something outside."""
    time.sleep(duration_s)
