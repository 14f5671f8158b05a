"""Histories and envelopes against a plain list of points, whatever was folded or compacted."""

import math
from collections import defaultdict

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from experiments.models import LatestMetric, MetricBlock, MetricTail, Run
from experiments.points import compaction
from experiments.tasks.tracking import compact_run
from experiments.tracking import compacting
from experiments.tracking.codec import unpack_block
from experiments.tracking.database import Database
from experiments.tracking.envelopes import envelope
from experiments.tracking.folding import fold
from experiments.tracking.history import page_of_history, series
from experiments.tracking.operations import LogBatch
from platform_site.core.errors import Conflict, Invalid
from tests.experiments.tracking_help import caller, new_run, write

pytestmark = pytest.mark.django_db

GREATEST = 1.7976931348623157e308
KEYS = ["a", "b"]
EDGES = [0, 1, 2, 5, -1, 2**63 - 1, -(2**63)]
whole = st.sampled_from(EDGES) | st.integers(-20, 20)
number = st.sampled_from([0.0, 1.0, -1.0, math.nan, math.inf, -math.inf, 5e-324]) | st.floats(
    width=64
)
points = st.lists(st.tuples(st.sampled_from(KEYS), whole, whole, number), min_size=1, max_size=30)
actions = st.lists(
    st.tuples(st.just("log"), points)
    | st.tuples(st.sampled_from(["fold", "compact", "repeat"]), st.none()),
    min_size=1,
    max_size=12,
)


@pytest.fixture
def alice(people):
    return caller(people.alice)


@pytest.fixture
def run(people):
    return new_run(people.alice, people.project)


def at_once(step):
    return step()


def fold_and_compact(run) -> None:
    fold(Database.of_django(), [run.pk])
    compact_run(run.pk, at_once)


def place(member):
    at_ms, step, value = member
    return (at_ms, step, True, 0.0) if math.isnan(value) else (at_ms, step, False, value + 0.0)


def model_of(logged) -> dict:
    """Return the plain truth: each point once, in order, by key."""
    found = defaultdict(dict)
    for key, step, at_ms, value in logged:
        member = (at_ms, step, min(max(value, -GREATEST), GREATEST))
        found[key][place(member)] = member
    return {key: [members[one] for one in sorted(members)] for key, members in found.items()}


def latest_of(logged) -> dict:
    newest = {}
    for key, step, at_ms, value in logged:
        kept = min(max(value, -GREATEST), GREATEST)
        point = (step, at_ms, 0.0 if math.isnan(value) else kept, math.isnan(value))
        newest[key] = max(newest.get(key, point), point)
    return newest


def stored_latest(run) -> dict:
    rows = LatestMetric.objects.filter(run=run).values_list(
        "key__name", "step", "timestamp_ms", "value", "is_nan"
    )
    return {key: tuple(rest) for key, *rest in rows}


def check_blocks(run) -> None:
    """Blocks are ordered, do not overlap, and their heads say what is in them."""
    by_key = defaultdict(list)
    for block in MetricBlock.objects.filter(run=run):
        columns = unpack_block(block.data)
        members = list(zip(columns.times_ms, columns.steps, columns.values, strict=True))
        places = [place(member) for member in members]
        assert places == sorted(set(places))
        numbers = [value for _, _, value in members if not math.isnan(value)]
        assert (block.n_points, block.first_ms, block.last_ms) == (
            len(members),
            members[0][0],
            members[-1][0],
        )
        assert (block.first_step, block.last_step) == (min(columns.steps), max(columns.steps))
        assert (block.min_value, block.max_value) == (
            (min(numbers), max(numbers)) if numbers else (None, None)
        )
        assert block.last_value == (numbers[-1] if numbers else None)
        by_key[block.key_id].append((places[0], places[-1]))
    for ranges in by_key.values():
        ranges.sort()
        assert all(before[1] < after[0] for before, after in zip(ranges, ranges[1:], strict=False))


def pages(run, key: str, limit: int) -> list:
    found, token = [], None
    while True:
        part, token = page_of_history(Database.of_django(), run.pk, key, token, limit)
        assert len(part) <= limit
        found += part
        if token is None:
            return found


def same(found, expected) -> None:
    assert [place(member) for member in found] == [place(member) for member in expected]


@given(actions=actions, limit=st.integers(1, 7), block_points=st.integers(2, 9))
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_whatever_happens_in_between_the_history_is_the_plain_truth(
    people, alice, monkeypatch, actions, limit, block_points
):
    monkeypatch.setattr(compaction, "BLOCK_POINTS", block_points)
    run = new_run(people.alice, people.project)
    logged, last = [], None
    for action, batch in actions:
        if action == "log":
            last = LogBatch(run.uuid, alice, metrics=batch)
            write(last)
            logged += batch
        elif action == "repeat" and last is not None:
            write(last)
        elif action == "fold":
            fold(Database.of_django(), [run.pk])
            assert stored_latest(run) == latest_of(logged)
        elif action == "compact":
            compact_run(run.pk, at_once)
            check_blocks(run)
    expected = model_of(logged)
    for key in KEYS:
        truth = expected.get(key, [])
        same(page_of_history(Database.of_django(), run.pk, key, None, None)[0], truth)
        same(pages(run, key, limit), truth)
    whole_series = series(Database.of_django(), run.pk)
    assert set(whole_series) == set(expected)
    fold(Database.of_django(), [run.pk])
    assert stored_latest(run) == latest_of(logged)


@given(
    batch=points,
    later=points,
    n_buckets=st.integers(1, 12),
    by=st.sampled_from(["step", "time"]),
    bounds=st.none() | st.tuples(whole, whole).map(sorted),
)
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_an_envelope_hides_no_extreme(
    people, alice, monkeypatch, batch, later, n_buckets, by, bounds
):
    monkeypatch.setattr(compaction, "BLOCK_POINTS", 3)
    run = new_run(people.alice, people.project)
    write(LogBatch(run.uuid, alice, metrics=batch))
    fold_and_compact(run)
    write(LogBatch(run.uuid, alice, metrics=later))
    first, last = bounds or (None, None)
    for key, members in model_of(batch + later).items():
        inside = [
            (at_ms if by == "time" else step, value)
            for at_ms, step, value in members
            if bounds is None or first <= (at_ms if by == "time" else step) <= last
        ]
        numbers = [value for _, value in inside if not math.isnan(value)]
        found = envelope(Database.of_django(), run.pk, key, n_buckets, first, last, by)
        assert len(found) <= n_buckets
        assert [bucket.x for bucket in found] == sorted(bucket.x for bucket in found)
        assert {bucket.x for bucket in found} <= {x for x, _ in inside}
        assert max((b.greatest for b in found if b.greatest is not None), default=None) == max(
            numbers, default=None
        )
        assert min((b.least for b in found if b.least is not None), default=None) == min(
            numbers, default=None
        )
        assert sum(bucket.n_points for bucket in found) >= len(inside)


def test_an_envelope_reads_only_the_blocks_that_it_cuts(alice, run, monkeypatch):
    for part in range(40):
        values = [("m", part * 1000 + n, part * 1000 + n, 0.0) for n in range(1000)]
        write(LogBatch(run.uuid, alice, metrics=values))
    write(LogBatch(run.uuid, alice, metrics=[("m", 20_500, 20_500, 9.0)]))
    fold_and_compact(run)
    assert not MetricTail.objects.exists()
    assert MetricBlock.objects.count() <= 4 * math.ceil(40_001 / compaction.BLOCK_POINTS)
    db = Counting(Database.of_django())
    found = envelope(db, run.pk, "m", 4)
    assert max(bucket.greatest for bucket in found) == 9.0
    assert db.n_blocks <= 3
    (zoomed,) = [
        one for one in envelope(db, run.pk, "m", 50, 20_490, 20_510) if one.greatest == 9.0
    ]
    assert zoomed == (20_500, 9.0, 9.0, 9.0, 1)


class Counting:
    """A database that counts the blocks that are read."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.n_blocks = 0

    def rows_in(self, sql, values, *more):
        found = self.db.rows_in(sql, values, *more)
        if "data FROM experiments_metricblock" in sql:
            self.n_blocks += len(found)
        return found

    def __getattr__(self, name):
        return getattr(self.db, name)


def test_compaction_moves_all_points_and_leaves_no_tail(alice, run):
    for part in range(5):
        metrics = [(f"k{n % 10}", part * 100 + n, n, float(n)) for n in range(100)]
        write(LogBatch(run.uuid, alice, metrics=metrics))
    fold_and_compact(run)
    assert not MetricTail.objects.exists()
    assert sum(MetricBlock.objects.values_list("n_points", flat=True)) == 500
    assert Run.objects.get(pk=run.pk).tail_points == 0
    # A client's late repeat of a batch that was compacted long ago.
    write(LogBatch(run.uuid, alice, metrics=metrics))
    fold_and_compact(run)
    assert sum(MetricBlock.objects.values_list("n_points", flat=True)) == 500


def test_what_is_not_folded_is_not_compacted(alice, run):
    write(LogBatch(run.uuid, alice, metrics=[("m", 0, 0, 1.0)]))
    assert compact_run(run.pk, at_once) == 0
    assert MetricTail.objects.count() == 1


def test_two_compactions_of_one_run_do_not_double_it(alice, run):
    write(LogBatch(run.uuid, alice, metrics=[("m", n, n, 1.0) for n in range(10)]))
    fold(Database.of_django(), [run.pk])

    def late(step):
        compact_run(run.pk, at_once)
        return step()

    with pytest.raises(Conflict):
        compact_run(run.pk, late)


def test_runs_with_long_tails_are_due_and_ended_ones_sooner(alice, run, people):
    other = new_run(people.alice, people.project)
    db = Database.of_django()
    Run.objects.filter(pk=run.pk).update(tail_points=compacting.DUE_POINTS)
    Run.objects.filter(pk=other.pk).update(tail_points=compacting.ENDED_DUE_POINTS)
    assert compacting.due_runs(db, 10) == [run.pk]
    Run.objects.filter(pk=other.pk).update(status="completed")
    assert compacting.due_runs(db, 10) == [run.pk, other.pk]


@pytest.mark.parametrize(
    "token", ["", "1_2", "a_b_c", "1_2_3_4", "1_2_zz", "9" * 5000 + "_1_0x1p0"]
)
def test_a_token_that_nobody_gave_is_refused(alice, run, token):
    with pytest.raises(Invalid):
        page_of_history(Database.of_django(), run.pk, "m", token, 10)


def test_an_unknown_metric_has_no_points(run):
    assert page_of_history(Database.of_django(), run.pk, "m", None, 10) == ([], None)
    assert envelope(Database.of_django(), run.pk, "m", 10) == []
    assert series(Database.of_django(), run.pk, ["m"]) == {}
