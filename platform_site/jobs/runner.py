"""The supervisor: a q-worker that was woken claims jobs and watches over one child at a time."""

import logging
import signal
import threading
import time
from typing import Any, Final

from django.db import close_old_connections

from platform_site.jobs import states
from platform_site.jobs.child_process import ChildProcess, spare, wait_briefly, work_dir_of
from platform_site.jobs.claims import claim_next, read_status, release, renew_lease
from platform_site.jobs.exit_reasons import failure_of
from platform_site.jobs.models import Job
from platform_site.jobs.outcome import OUTCOME_FILE, Outcome, read_outcome

logger = logging.getLogger("assay.jobs")

LOOK_EVERY_S: Final = 0.1
RENEW_EVERY_S: Final = 2.0
STOP_GRACE_S: Final = 1.2
PAUSE_GRACE_S: Final = 10.0
WISH_OF: Final = {states.PAUSING: "pause", states.STOPPING: "stop"}
GRACE_OF: Final = {states.PAUSING: PAUSE_GRACE_S, states.STOPPING: STOP_GRACE_S}
AFTER_KILL: Final = {states.PAUSING: states.PAUSED, states.STOPPING: states.STOPPED}

_leaving = threading.Event()


def wake(*_: Any) -> None:
    """Work on queued jobs until none is left that this worker may run."""
    _listen_for_shutdown()
    while not _leaving.is_set():
        close_old_connections()
        job = claim_next()
        if job is None:
            return
        logger.info("job %s (%s): attempt %s begins", job.pk, job.kind, job.attempts)
        Supervision(job).run()
        if not _leaving.is_set():
            spare.prepare()


def warm(*_: Any) -> None:
    """Start a warm child, because work is coming."""
    spare.prepare().wait_until_warm()


def _listen_for_shutdown() -> None:
    """On SIGTERM let the child save its state instead of losing the work since the checkpoint."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda *_: _leaving.set())


class Supervision:
    """One attempt at one job: lease, wishes, limits, and the state that follows the child's end."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.work_dir = work_dir_of(job.pk)
        self.status: str = job.status
        self.began = time.monotonic()
        self.renewed = 0.0
        self.wish_sent_at: float | None = None
        self.killed_for = ""

    def run(self) -> None:
        """Start the child, watch it, record how it ended."""
        (self.work_dir / OUTCOME_FILE).unlink(missing_ok=True)
        child = self._start_child()
        try:
            while child.is_alive():
                if not self._look(child):
                    child.kill()
                    logger.warning("job %s: lost to another worker", self.job.pk)
                    return
                wait_briefly(LOOK_EVERY_S)
        finally:
            if child.is_alive():
                child.kill()
        child.close()
        self._record_end(child.process.returncode)

    def _start_child(self) -> ChildProcess:
        child = spare.take()
        if not child.start_job(self.job.pk, self.job.fence):
            child.kill()
            child = ChildProcess()
            child.start_job(self.job.pk, self.job.fence)
        return child

    def _look(self, child: ChildProcess) -> bool:
        """Follow the row and the limits; False when the job is no longer ours."""
        moment = time.monotonic()
        if moment - self.renewed >= RENEW_EVERY_S:
            self.renewed = moment
            usage = child.usage()
            measured: dict[str, Any] = {"child_pid": child.pid}
            if usage is not None:
                measured |= {
                    "rss_bytes": usage.rss_bytes,
                    "cpu_percent": usage.cpu_percent,
                    "cpu_s": usage.cpu_s,
                }
            status = renew_lease(self.job, **measured)
        else:
            status = read_status(self.job)
        if status is None or status not in states.ON_A_WORKER:
            return False
        self._follow_wish(child, status, moment)
        self._enforce_time_limit(child, moment)
        return True

    def _follow_wish(self, child: ChildProcess, status: str, moment: float) -> None:
        if _leaving.is_set() and status == states.RUNNING and self.wish_sent_at is None:
            child.wish("pause")
            self.wish_sent_at = moment
        if status != self.status and status in WISH_OF:
            child.wish(WISH_OF[status])
            self.wish_sent_at = moment
        self.status = status
        grace_s = GRACE_OF.get(status)
        if grace_s is None or self.wish_sent_at is None:
            return
        if moment - self.wish_sent_at > grace_s:
            self.killed_for = status
            child.kill()

    def _enforce_time_limit(self, child: ChildProcess, moment: float) -> None:
        limit_s = self.job.time_limit_s
        if limit_s is not None and moment - self.began > limit_s:
            self.killed_for = "time_limit"
            child.kill()

    def _record_end(self, exit_code: int) -> None:
        outcome = read_outcome(self.work_dir)
        if outcome is None and self.killed_for in AFTER_KILL:
            outcome = Outcome(status=AFTER_KILL[self.killed_for])
        if outcome is None:
            outcome = self._crashed(exit_code)
        if outcome.status == states.PAUSED and self.status not in WISH_OF:
            # Nobody asked for the pause: this worker is leaving, another one goes on.
            release(self.job, states.QUEUED, attempts=max(0, self.job.attempts - 1))
            return
        if outcome.status == states.PAUSED and self.status == states.STOPPING:
            outcome = Outcome(status=states.STOPPED)
        fields: dict[str, Any] = {
            "error_code": outcome.error_code,
            "error_message": outcome.error_message,
            "traceback": outcome.traceback,
        }
        if outcome.result:
            fields["result"] = outcome.result
        if outcome.status == states.COMPLETED:
            fields |= {"progress_percent": 100.0}
        if release(self.job, outcome.status, **fields) is None:
            logger.warning("job %s: its end (%s) came too late", self.job.pk, outcome.status)
        else:
            logger.info("job %s: %s", self.job.pk, outcome.status)

    def _crashed(self, exit_code: int) -> Outcome:
        """Decide between another attempt and a failure that says why."""
        code, message = failure_of(exit_code, self.killed_for, self.job, self.work_dir)
        again = code == "worker_crashed" and self.job.attempts < self.job.max_attempts
        if again and self.status == states.RUNNING:
            logger.warning("job %s: %s; trying again", self.job.pk, message)
            return Outcome(status=states.QUEUED)
        if self.status in AFTER_KILL and code == "worker_crashed":
            return Outcome(status=AFTER_KILL[self.status])
        return Outcome(status=states.FAILED, error_code=code, error_message=message)
