"""The points of metrics: a page of one series, or one metric of many runs, whole or thinned."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from math import isnan
from typing import Final

import msgspec

from experiments.mlflow_api.fields import too_many
from experiments.mlflow_api.kit.answers import Answer
from experiments.mlflow_api.kit.call import Call
from experiments.mlflow_api.kit.errors import ProtocolError, invalid_value, missing_value
from experiments.mlflow_api.kit.requests import Int64, Request, decode
from experiments.mlflow_api.kit.routes import Route
from experiments.mlflow_api.runs import visible_run
from experiments.mlflow_api.shapes import encode, page_json
from experiments.tracking.database import Database
from experiments.tracking.history import page_of_history
from experiments.tracking.series import Member
from platform_site.core.errors import NotFound

MAX_RUNS: Final = 100
MAX_BULK_POINTS: Final = 25_000
MAX_SAMPLES: Final = 2500
PIECE_POINTS: Final = 2000


class PointOut(msgspec.Struct, gc=False):
    """A point of one run."""

    key: str
    value: float | str
    timestamp: int
    step: int


class RunPointOut(PointOut, gc=False):
    """A point among those of many runs."""

    run_id: str


class History(Request):
    """A page of one series."""

    run_id: str
    metric_key: str
    run_uuid: str = ""
    max_results: Int64 | None = None
    page_token: str = ""


class BulkHistory(Request):
    """One metric of several runs."""

    metric_key: str
    run_id: list[str] = []
    max_results: Int64 = MAX_BULK_POINTS


class BulkInterval(Request):
    """One metric of several runs, between two steps, thinned."""

    metric_key: str
    run_ids: list[str] = []
    start_step: Int64 | None = None
    end_step: Int64 | None = None
    max_results: Int64 = MAX_SAMPLES


def get_history(call: Call, db: Database) -> Answer:
    """Answer with a page of a series, ordered by time, step, value; `{}` for an unknown run."""
    asked = decode(call, History)
    if asked.max_results is not None and asked.max_results <= 0:
        raise invalid_value(
            "max_results", str(asked.max_results), "it must be a positive whole number."
        )
    run_id = _visible_run_id(call, db, asked.run_id)
    if run_id is None:
        return Answer(body=b"{}")
    members, token = page_of_history(
        db, run_id, asked.metric_key, asked.page_token or None, asked.max_results
    )
    return Answer(body=page_json(b"metrics", _pieces(asked.metric_key, members), token))


def _pieces(key: str, members: Sequence[Member]) -> Iterator[bytes]:
    """Yield the points as JSON without the brackets; a piece at a time, so that memory stays flat."""
    for first in range(0, len(members), PIECE_POINTS):
        yield encode(_points(key, members[first : first + PIECE_POINTS]))[1:-1]


def get_bulk(call: Call, db: Database) -> Answer:
    """Answer with the first points of a metric of several runs, run by run."""
    asked = decode(call, BulkHistory)
    if asked.max_results <= 0:
        raise invalid_value("max_results", str(asked.max_results))
    left = min(asked.max_results, MAX_BULK_POINTS)
    found: list[RunPointOut] = []
    for run_uuid in sorted(_checked_runs(asked.run_id, "run_id")):
        run_id = _visible_run_id(call, db, run_uuid)
        if run_id is None or not left:
            continue
        members, _ = page_of_history(db, run_id, asked.metric_key, None, left)
        left -= len(members)
        found += _run_points(asked.metric_key, members, run_uuid)
    return Answer(body=encode({"metrics": found}))


def get_bulk_interval(call: Call, db: Database) -> Answer:
    """Answer with a metric of several runs at as many steps as asked for, first and last kept."""
    asked = decode(call, BulkInterval)
    if not 1 <= asked.max_results <= MAX_SAMPLES:
        raise invalid_value(
            "max_results", str(asked.max_results), f"it must be between 1 and {MAX_SAMPLES}."
        )
    _check_interval(asked)
    found: list[RunPointOut] = []
    for run_uuid in sorted(_checked_runs(asked.run_ids, "run_ids")):
        run_id = _visible_run_id(call, db, run_uuid)
        if run_id is not None:
            members, _ = page_of_history(db, run_id, asked.metric_key, None, None)
            found += _run_points(asked.metric_key, _sampled(asked, members), run_uuid)
    return Answer(body=encode({"metrics": found} if found else {}))


def _check_interval(asked: BulkInterval) -> None:
    if (asked.start_step is None) != (asked.end_step is None):
        raise ProtocolError(
            "INVALID_PARAMETER_VALUE",
            "If either start step or end step are specified, both must be specified.",
        )
    if asked.start_step is None or asked.end_step is None:
        return
    if asked.start_step > asked.end_step:
        raise ProtocolError(
            "INVALID_PARAMETER_VALUE",
            "end_step must be greater than start_step. Found"
            f" start_step={asked.start_step} and end_step={asked.end_step}.",
        )


def _is_inside(asked: BulkInterval, step: int) -> bool:
    if asked.start_step is None or asked.end_step is None:
        return True
    return asked.start_step <= step <= asked.end_step


def _sampled(asked: BulkInterval, members: Sequence[Member]) -> list[Member]:
    """Return the points at evenly spread steps, the first and last among them, by step."""
    inside = sorted(
        (one for one in members if _is_inside(asked, one[1])), key=lambda one: (one[1], one[0])
    )
    steps = sorted({one[1] for one in inside})
    if len(steps) > asked.max_results:
        stride = len(steps) / asked.max_results
        kept = {steps[int(n * stride)] for n in range(asked.max_results)} | {steps[-1]}
        inside = [one for one in inside if one[1] in kept]
    return inside[:MAX_BULK_POINTS]


def _checked_runs(run_ids: list[str], path: str) -> list[str]:
    if not run_ids:
        raise missing_value(path)
    if len(run_ids) > MAX_RUNS:
        raise too_many(path, MAX_RUNS, len(run_ids))
    return list(dict.fromkeys(run_ids))


def _visible_run_id(call: Call, db: Database, run_id: str) -> int | None:
    try:
        return visible_run(call, db, run_id).id
    except NotFound:
        return None


def _points(key: str, members: Sequence[Member]) -> list[PointOut]:
    times_ms, steps, values = zip(*members, strict=True)
    return list(map(PointOut, repeat(key), _shown(values), times_ms, steps))


def _run_points(key: str, members: Sequence[Member], run_uuid: str) -> list[RunPointOut]:
    return [
        RunPointOut(key, "NaN" if isnan(value) else value, at_ms, step, run_uuid)
        for at_ms, step, value in members
    ]


def _shown(values: Sequence[float]) -> Iterable[float | str]:
    # A sum tells at once whether there is a NaN among them.
    if not isnan(sum(values)):
        return values
    return ("NaN" if isnan(value) else value for value in values)


ROUTES: Final = [
    Route("GET", "2.0/mlflow/metrics/get-history", get_history, hot=True, long=True),
    Route("GET", "2.0/mlflow/metrics/get-history-bulk", get_bulk, hot=True, long=True),
    Route(
        "GET",
        "2.0/mlflow/metrics/get-history-bulk-interval",
        get_bulk_interval,
        hot=True,
        long=True,
    ),
]
