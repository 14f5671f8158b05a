"""The sampler process: host samples, and the registered chores (reaper, watchdog, clearing)."""

import logging
import os
import signal
import socket
import threading
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import DatabaseError, close_old_connections, connection

from monitoring import periodic
from monitoring.hardware import OwnProcesses, read_gpus, read_host
from monitoring.models import HostSample
from monitoring.watchdog import ClusterWatchdog
from platform_site.core.clock import now

logger = logging.getLogger("assay.sampler")

RETENTION = timedelta(hours=24)
SLICE_ROWS = 500
CLEAR_EVERY_S = 60.0
WATCH_EVERY_S = 5.0


def take_sample(own: OwnProcesses) -> HostSample:
    """Store one reading of this machine."""
    return HostSample.objects.create(
        host=socket.gethostname(),
        at=now(),
        gpus=read_gpus(),
        **read_host(settings.DATA_DIR),
        **own.read(),
    )


def clear_old_samples() -> int:
    """Delete one slice of samples past their time; return how many.

    A slice, not all: a large delete would hold the only write lock of SQLite.
    """
    old = HostSample.objects.filter(at__lt=now() - RETENTION).order_by("at")
    deleted, _ = HostSample.objects.filter(
        pk__in=list(old.values_list("pk", flat=True)[:SLICE_ROWS])
    ).delete()
    return deleted


def run(*, supervisor_pid: int) -> None:
    """Sample and do the chores until SIGTERM; SIGUSR1 to the supervisor renews the cluster."""
    stopped = threading.Event()

    def stop(number: int, frame: Any) -> None:
        stopped.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    own = OwnProcesses(supervisor_pid)
    watchdog = ClusterWatchdog(renew=lambda: os.kill(supervisor_pid, signal.SIGUSR1))
    periodic.register("sample", settings.SAMPLE_INTERVAL_S, lambda: take_sample(own))
    periodic.register("clear old samples", CLEAR_EVERY_S, clear_old_samples)
    periodic.register("watch the cluster", WATCH_EVERY_S, watchdog.look)
    chores = periodic.registered()
    while not stopped.wait(periodic.wait_s(chores)):
        for chore in periodic.due(chores):
            do(chore)


def do(chore: periodic.Chore) -> None:
    """Do one chore; a database that is away is waited for, anything else ends the process.

    (The supervisor starts a new one, and the error stands in the log.)
    """
    close_old_connections()
    try:
        chore.function()()
    except DatabaseError as error:
        logger.warning("%s: the database did not answer: %s", chore.name, error)
        connection.close()
