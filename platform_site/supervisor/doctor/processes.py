"""Points about what runs: supervisor, web server, queue workers, sampler."""

import http.client
import time
from collections.abc import Iterator
from datetime import timedelta

import psutil
from django.conf import settings
from django.db import DatabaseError

from monitoring.models import HostSample
from monitoring.watchdog import look_for_waiting
from platform_site.core.clock import now
from platform_site.jobs.claims import host_name
from platform_site.supervisor.doctor.findings import Finding, failed, ok, skipped
from platform_site.supervisor.start import is_locked
from platform_site.supervisor.state import RunningState, read_state

HEALTH_TIMEOUT_S = 5.0
LONG_WAIT = timedelta(seconds=15)
SECOND_LOOK_S = 3.0
SAMPLE_SLACK = timedelta(seconds=15)
RESTART = "look into its log; `make run` starts Assay"
# Besides its workers, a cluster is its main process, the sentinel, the monitor and the pusher.
CLUSTER_OVERHEAD = 3


def running() -> Iterator[Finding]:
    """The supervisor and its children are alive and do their work."""
    run_dir = settings.DATA_DIR / "run"
    state = read_state(run_dir)
    if state is None or not is_locked(run_dir):
        yield failed("supervisor", "Assay does not run on this data directory", RESTART)
        return
    yield ok("supervisor", f"process {state.pid}, {state.url}")
    yield _web()
    yield _workers(state)
    yield _queue()
    yield _sampler(state)


def _web() -> Finding:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.HOST, settings.HOST)  # noqa: S104
    connection = http.client.HTTPConnection(
        host.strip("[]"), settings.PORT, timeout=HEALTH_TIMEOUT_S
    )
    try:
        connection.request("GET", "/health", headers={"Host": f"localhost:{settings.PORT}"})
        status = connection.getresponse().status
    except OSError as error:
        return failed("web server", f"{settings.HOST}:{settings.PORT}: {error}", RESTART)
    finally:
        connection.close()
    if status != http.client.OK:
        return failed("web server", f"GET /health answers {status}", RESTART)
    return ok("web server", "GET /health answers 200")


def _workers(state: RunningState) -> Finding:
    pid = state.children.get("cluster")
    try:
        family = psutil.Process(pid).children(recursive=True) if pid is not None else []
    except psutil.NoSuchProcess:
        family = []
    workers = [one for one in family if _is_alive(one)]
    count = len(workers) - CLUSTER_OVERHEAD
    if count < 1:
        return failed("workers", "no queue worker is alive", RESTART)
    return ok("workers", f"cluster process {pid} with {len(workers)} processes")


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _queue() -> Finding:
    """Two looks: a worker between two jobs is no fault."""
    try:
        first = look_for_waiting()
        if first is None or now() - first.queued_at < LONG_WAIT:
            return ok("queue", "no job waits long for a free worker")
        time.sleep(SECOND_LOOK_S)
        second = look_for_waiting()
    except DatabaseError as error:
        return failed("queue", str(error).strip(), "mend the database first")
    if first == second:
        return failed("queue", f"job {first.job_id} waits although a worker is free", RESTART)
    return ok("queue", "work is being taken")


def _sampler(state: RunningState) -> Finding:
    pid = state.children.get("sampler")
    if pid is None or not psutil.pid_exists(pid):
        return failed("sampler", "not alive", RESTART)
    newest = HostSample.objects.filter(host=host_name()).order_by("-at").first()
    if newest is None:
        return skipped("sampler", "alive, no sample yet")
    age = now() - newest.at
    if age > timedelta(seconds=settings.SAMPLE_INTERVAL_S * 3) + SAMPLE_SLACK:
        return failed("sampler", f"the last sample is {age.total_seconds():.0f} s old", RESTART)
    return ok("sampler", f"last sample {age.total_seconds():.0f} s ago")
