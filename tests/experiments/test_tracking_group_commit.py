"""The writer's thread: durable groups, refusals to the right caller, start, end and fork."""

import asyncio
import os
import threading
from dataclasses import replace

import psycopg
import pytest
from asgiref.sync import sync_to_async
from django.db import connection

from experiments.models import MetricBlock, MetricTail, Run, RunParam
from experiments.tasks.tracking import compact_run
from experiments.tracking import database, group_commit
from experiments.tracking.committing import told_of
from experiments.tracking.database import Database
from experiments.tracking.folding import fold_dirty
from experiments.tracking.group_commit import GroupCommit
from experiments.tracking.history import series
from experiments.tracking.operations import CreateRun, LogBatch, UpdateRun
from platform_site.core.errors import Invalid, NotFound, StorageFull, Unavailable
from platform_site.core.leaving import leave
from platform_site.core.transactions import write_transaction
from tests.experiments.tracking_help import caller, experiment_of, new_run, tail_points

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def writer():
    writer = GroupCommit()
    yield writer
    writer.close()


@pytest.fixture
def alice(people):
    return caller(people.alice)


@pytest.fixture
def run(people):
    return new_run(people.alice, people.project)


def test_what_was_written_can_be_read_by_others(writer, alice, run):
    assert writer.write(LogBatch(run.uuid, alice, metrics=[("m", 1, 2, 3.0)])) is None
    assert tail_points(run) == [("m", 1, 2, 3.0)]
    row = writer.write(UpdateRun(run.uuid, alice, status="completed"))
    assert row.status == "completed"


async def test_coroutines_get_their_own_results(writer, people):
    def prepared():
        return caller(people.alice), new_run(people.alice, people.project)

    alice, run = await sync_to_async(prepared)()
    operations = [LogBatch(run.uuid, alice, params=[("p", str(n % 2))]) for n in range(20)]
    results = await asyncio.gather(
        *(writer.submit(one) for one in operations), return_exceptions=True
    )
    assert results[0::2] == [None] * 10
    assert all(isinstance(one, Invalid) for one in results[1::2])


def test_many_threads_lose_nothing_and_double_nothing(writer, alice, run):
    errors = []

    def log(thread: int) -> None:
        try:
            for step in range(20):
                batch = LogBatch(
                    run.uuid,
                    alice,
                    metrics=[("m", step, thread, 1.0)],
                    params=[(f"p{thread}", "same")],
                )
                writer.write(batch)
                writer.write(batch)
        except Exception as error:  # noqa: BLE001
            errors.append(error)

    threads = [threading.Thread(target=log, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    # The ORM writes at the same time, through its own connection.
    for _ in range(20):
        with write_transaction():
            Run.objects.filter(pk=run.pk).update(notes=["hello"])
    for thread in threads:
        thread.join()
    assert errors == []
    expected = {("m", step, thread, 1.0) for step in range(20) for thread in range(8)}
    stored = tail_points(run)
    assert len(stored) == len(expected)
    assert set(stored) == expected
    assert RunParam.objects.filter(run=run).count() == 8


def test_a_group_that_fails_is_written_one_by_one(writer, alice, run, people):
    good = LogBatch(run.uuid, alice, metrics=[("m", 0, 0, 1.0)])
    # No such person: the database refuses, and only at the end of the transaction.
    bad = CreateRun(run.experiment_id, replace(alice, user_id=10**9))
    held = threading.Event()
    answers = {}

    def write(name, operation):
        try:
            answers[name] = writer.write(operation)
        except Exception as error:  # noqa: BLE001
            answers[name] = error

    block = threading.Thread(target=lambda: writer.run(held.wait))
    block.start()
    threads = [threading.Thread(target=write, args=pair) for pair in (("good", good), ("bad", bad))]
    for thread in threads:
        thread.start()
    while writer._n_waiting < 4:
        pass
    held.set()
    for thread in (block, *threads):
        thread.join()
    assert answers["good"] is None
    assert "foreign key" in str(answers["bad"]).lower()
    assert tail_points(run) == [("m", 0, 0, 1.0)]
    assert Run.objects.count() == 1


def test_numbers_of_keys_are_forgotten_with_the_transaction_that_made_them(writer, alice, run):
    writer.write(LogBatch(run.uuid, alice, metrics=[("kept", 0, 0, 1.0)]))
    with pytest.raises(Exception, match="(?i)foreign key"):
        writer.write(
            CreateRun(run.experiment_id, replace(alice, user_id=10**9), tags=[("fresh", "1")])
        )
    writer.write(LogBatch(run.uuid, alice, metrics=[("fresh", 0, 0, 1.0)], tags=[("kept", "1")]))
    assert tail_points(run) == [("kept", 0, 0, 1.0), ("fresh", 0, 0, 1.0)]


def test_what_was_handed_over_is_committed_before_the_end(alice, run):
    writer = GroupCommit()
    done = []
    threads = [
        threading.Thread(
            target=lambda n=n: done.append(
                writer.write(LogBatch(run.uuid, alice, metrics=[("m", n, 0, 1.0)]))
            )
        )
        for n in range(10)
    ]
    for thread in threads:
        thread.start()
    writer.close()
    for thread in threads:
        thread.join()
    assert len(tail_points(run)) == 10
    writer.close()


def test_a_process_that_leaves_commits_what_waits(alice, run):
    held, started = threading.Event(), threading.Event()

    def hold() -> None:
        started.set()
        held.wait()

    threads = [
        threading.Thread(target=lambda: group_commit.writer.run(hold)),
        threading.Thread(
            target=lambda: group_commit.writer.write(
                LogBatch(run.uuid, alice, metrics=[("m", 0, 0, 1.0)])
            )
        ),
    ]
    threads[0].start()
    started.wait()
    threads[1].start()
    while group_commit.writer._n_waiting < 3:
        pass
    held.set()
    leave()
    assert len(tail_points(run)) == 1
    for thread in threads:
        thread.join()


def test_too_much_waiting_is_refused_at_once(writer, alice, run, monkeypatch):
    monkeypatch.setattr(group_commit, "MAX_WAITING_ITEMS", 2)
    held, started = threading.Event(), threading.Event()

    def hold() -> None:
        started.set()
        held.wait()

    block = threading.Thread(target=lambda: writer.run(hold))
    block.start()
    started.wait()
    with pytest.raises(Unavailable):
        writer.write(LogBatch(run.uuid, alice, metrics=[("m", 0, 0, 1.0), ("m", 1, 0, 1.0)]))
    held.set()
    block.join()


def test_inside_a_transaction_the_write_belongs_to_it(writer, alice, run):
    def write_and_fail() -> None:
        with write_transaction():
            writer.write(LogBatch(run.uuid, alice, metrics=[("m", 0, 0, 1.0)]))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_and_fail()
    assert not MetricTail.objects.exists()
    with write_transaction(), pytest.raises(NotFound):
        writer.write(LogBatch("0" * 32, alice))


def test_a_forked_process_writes_with_a_thread_of_its_own(writer, alice, run):
    writer.write(LogBatch(run.uuid, alice, metrics=[("m", 0, 0, 1.0)]))
    connection.close()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            writer.write(LogBatch(run.uuid, alice, metrics=[("m", 1, 0, 1.0)]))
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    writer.write(LogBatch(run.uuid, alice, metrics=[("m", 2, 0, 1.0)]))
    assert [step for _, step, _, _ in tail_points(run)] == [0, 1, 2]


@pytest.mark.skipif("connection.vendor != 'postgresql'")
def test_a_connection_that_the_server_ended_is_replaced(writer, alice, run):
    writer.write(LogBatch(run.uuid, alice, metrics=[("m", 0, 0, 1.0)]))
    db = Database.open()
    db.rows(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    db.close()
    connection.close()
    writer.write(LogBatch(run.uuid, alice, metrics=[("m", 1, 0, 1.0)]))
    assert [step for _, step, _, _ in tail_points(run)] == [0, 1]


def test_new_runs_come_from_several_threads_at_once(writer, people, alice):
    experiment = experiment_of(people.project)
    made = []
    threads = [
        threading.Thread(
            target=lambda: made.extend(
                writer.write(CreateRun(experiment.pk, alice, tags=[("t", "1")])).row.id
                for _ in range(10)
            )
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 40
    assert Run.objects.count() == 40


def test_folds_and_compactions_beside_writers_lose_and_double_nothing(writer, alice, run):
    n_threads, n_batches, n_points = 3, 12, 40
    is_over = threading.Event()
    errors = []

    def guarded(work) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001
            errors.append(error)
        finally:
            connection.close()

    def batch_of(thread: int, number: int) -> LogBatch:
        # Times fall, so that new points lie between old ones.
        metrics = [
            (f"m{n % 2}", n, 10_000 - number * n_points + n * 7, float(thread))
            for n in range(n_points)
        ]
        return LogBatch(run.uuid, alice, metrics=metrics)

    def log(thread: int) -> None:
        for number in range(n_batches):
            writer.write(batch_of(thread, number))
            writer.write(batch_of(thread, number))

    def in_transaction(step):
        with write_transaction():
            return step()

    def tidy() -> None:
        while not is_over.is_set():
            fold_dirty(limit=10)
            compact_run(run.pk, in_transaction)

    writers = [threading.Thread(target=guarded, args=(lambda n=n: log(n),)) for n in range(3)]
    tidying = threading.Thread(target=guarded, args=(tidy,))
    for thread in (*writers, tidying):
        thread.start()
    for thread in writers:
        thread.join()
    is_over.set()
    tidying.join()
    assert errors == []
    fold_dirty(limit=10)
    compact_run(run.pk, in_transaction)
    expected = {
        (key, at_ms, step, value)
        for thread in range(n_threads)
        for number in range(n_batches)
        for key, step, at_ms, value in batch_of(thread, number).metrics
    }
    found = [
        (key, *member)
        for key, columns in series(Database.of_django(), run.pk).items()
        for member in zip(columns.times_ms, columns.steps, columns.values, strict=True)
    ]
    assert len(found) == len(expected)
    assert set(found) == expected
    assert sum(MetricBlock.objects.values_list("n_points", flat=True)) == len(expected)


@pytest.mark.skipif("connection.vendor != 'sqlite'")
def test_a_database_that_stays_locked_says_so_to_all_who_wait(writer, alice, run, monkeypatch):
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "timeout", 0.05)
    other = Database.open()
    answers = []

    def write(step: int) -> None:
        try:
            writer.write(LogBatch(run.uuid, alice, metrics=[("m", step, 0, 1.0)]))
        except Unavailable as error:
            answers.append(error)

    with other.transaction():
        threads = [threading.Thread(target=write, args=(step,)) for step in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    other.close()
    assert len(answers) == 4
    assert tail_points(run) == []
    writer.write(LogBatch(run.uuid, alice, metrics=[("m", 9, 0, 1.0)]))
    assert len(tail_points(run)) == 1


@pytest.mark.skipif("connection.vendor != 'sqlite'")
def test_a_full_disk_refuses_and_stores_nothing(writer, alice, run, monkeypatch):
    full = (*database.OWN_PRAGMAS, "PRAGMA max_page_count=1")
    monkeypatch.setattr(database, "OWN_PRAGMAS", full)

    def fill() -> None:
        # Pages that earlier tests have freed are used up first.
        for part in range(2000):
            metrics = [(f"m{n}", part, n, 1.0) for n in range(1000)]
            writer.write(LogBatch(run.uuid, alice, metrics=metrics))

    with pytest.raises(StorageFull):
        fill()
    stored = MetricTail.objects.count()
    assert len(tail_points(run)) == 1000 * stored


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ("40P01", Unavailable),
        ("08006", Unavailable),
        ("57014", Unavailable),
        ("53100", StorageFull),
        ("23505", None),
    ],
)
def test_what_the_server_reports_is_told_in_our_words(state, told):
    error = psycopg.errors.lookup(state)("no")
    assert type(told_of(error)) is (told or type(error))
