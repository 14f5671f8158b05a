"""Processes that write and compact points until they are killed; run by the chaos test.

``python -m tests.experiments.tracking_probe ROUNDS SEED`` prepares the installation of its
environment, kills writers and compactors and prints what was acknowledged and what is there.
"""

import json
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable

import django

THREADS = 4
POINTS = 25
COMPACT_AT = 500


def start() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.live_settings")
    django.setup()


def prepare() -> tuple[int, str]:
    from django.core.management import call_command

    from tests.experiments.tracking_help import new_run
    from tests.people import person, project_of

    call_command("migrate", verbosity=0)
    alice = person("alice")
    run = new_run(alice, project_of((alice, "editor")))
    return run.pk, run.uuid


def writing(uuid: str, round_number: int, tell: Callable[[str], None]) -> None:
    from experiments.tracking.group_commit import writer
    from experiments.tracking.operations import LogBatch
    from platform_site.accounts.models import User
    from tests.experiments.tracking_help import caller

    alice = caller(User.objects.get(username="alice"))

    def write(thread: int) -> None:
        step = 0
        while True:
            metrics = [
                (f"m{n % 3}", step * POINTS + n, round_number * THREADS + thread, 0.5)
                for n in range(POINTS)
            ]
            batch = LogBatch(uuid, alice, metrics=metrics)
            writer.write(batch)
            tell(f"{round_number} {thread} {step}\n")
            if step % 3 == 0:
                writer.write(batch)  # as a client that did not get the answer
            step += 1

    for thread in range(THREADS):
        threading.Thread(target=write, args=(thread,), daemon=True).start()
    threading.Event().wait()


def compacting(run_id: int, tell: Callable[[str], None]) -> None:
    from experiments.models import Run
    from experiments.tasks.tracking import compact_run
    from experiments.tracking.folding import fold_dirty
    from platform_site.core.transactions import write_transaction

    def write(step: Callable[[], None]) -> None:
        with write_transaction():
            step()

    tell("ready\n")
    while True:
        fold_dirty(limit=10)
        if Run.objects.get(pk=run_id).tail_points > COMPACT_AT:
            compact_run(run_id, write)


def forked(work: Callable[[Callable[[str], None]], None]) -> tuple[int, int]:
    """Return process id and the reading end of what it tells."""
    reading, telling = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            work(lambda line: os.write(telling, line.encode()) and None)
        finally:
            os._exit(1)
    os.close(telling)
    return child, reading


def told(reading: int) -> list[str]:
    with os.fdopen(reading) as lines:
        return [line for line in lines.read().splitlines(keepends=True) if line.endswith("\n")]


def kill(child: int) -> None:
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL, "the process ended by itself"


def rounds(n_rounds: int, run_id: int, uuid: str, draw: random.Random) -> list[list[int]]:
    """Kill a writer and a compactor in each round; return what was acknowledged."""
    from django.db import connection

    acknowledged: list[list[int]] = []
    for number in range(n_rounds):
        connection.close()
        writer, from_writer = forked(lambda tell, n=number: writing(uuid, n, tell))
        compactor, from_compactor = forked(lambda tell: compacting(run_id, tell))
        first = os.read(from_writer, 6).decode()
        waits = sorted((draw.uniform(0.0, 0.25), child) for child in (writer, compactor))
        began = time.monotonic()
        for wait_s, child in waits:
            time.sleep(max(0.0, began + wait_s - time.monotonic()))
            kill(child)
        lines = (first + "".join(told(from_writer))).splitlines()
        os.close(from_compactor)
        acknowledged += [[int(part) for part in line.split()] for line in lines]
    return acknowledged


def stored(run_id: int, uuid: str) -> dict:
    from experiments.models import MetricBlock, MetricTail
    from experiments.tasks.tracking import compact_run
    from experiments.tracking.database import Database
    from experiments.tracking.folding import fold
    from experiments.tracking.history import series
    from platform_site.core.transactions import write_transaction

    def write(step: Callable[[], None]) -> None:
        with write_transaction():
            step()

    n_blocks = MetricBlock.objects.count()
    before = series(Database.of_django(), run_id)
    write(lambda: fold(Database.of_django(), [run_id]))
    compact_run(run_id, write)
    after = series(Database.of_django(), run_id)
    points = [
        (step, at_ms)
        for columns in after.values()
        for step, at_ms in zip(columns.steps, columns.times_ms, strict=True)
    ]
    return {
        "points": points,
        "same": before == after,
        "blocks_before": n_blocks,
        "stored": sum(MetricBlock.objects.values_list("n_points", flat=True)),
        "tails": MetricTail.objects.count(),
    }


def main() -> None:
    start()
    run_id, uuid = prepare()
    draw = random.Random(int(sys.argv[2]))
    acknowledged = rounds(int(sys.argv[1]), run_id, uuid, draw)
    print(json.dumps({"acknowledged": acknowledged, **stored(run_id, uuid)}))


if __name__ == "__main__":
    main()
