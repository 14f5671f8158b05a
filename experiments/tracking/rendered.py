"""What runs logged, as the protocol's JSON, kept per run until the run changes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Any, Final, Protocol

import msgspec

from experiments.models.runs import Run
from experiments.tracking.codec import KeyedColumns, unpack_tail
from experiments.tracking.database import Database
from experiments.tracking.inputs import inputs_and_outputs
from experiments.tracking.newest import Newest, newest_of
from experiments.tracking.rows import RunHead

METRICS: Final = int(Run.Dirty.METRICS)
NAME_TAG: Final = "mlflow.runName"
MAX_BYTES: Final = 64 * 1024 * 1024
ENTRY_BYTES: Final = 300

FIND_TAILS: Final = (
    "SELECT t.run_id, t.data FROM experiments_run r JOIN experiments_metrictail t "
    "ON t.run_id = r.id AND t.id > r.folded_tail WHERE r.id IN (??)"
)
FIND_LATEST: Final = (
    "SELECT l.run_id, k.name, l.step, l.timestamp_ms, l.value, l.is_nan "
    "FROM experiments_latestmetric l JOIN experiments_key k ON k.id = l.key_id "
    "WHERE l.run_id IN (??) ORDER BY k.name"
)
FIND_NAMES: Final = "SELECT id, name FROM experiments_key WHERE id IN (??)"
FIND_PARAMS: Final = (
    "SELECT p.run_id, k.name, p.value FROM experiments_runparam p "
    "JOIN experiments_key k ON k.id = p.key_id WHERE p.run_id IN (??) ORDER BY k.name"
)
FIND_TAGS: Final = (
    "SELECT t.run_id, k.name, t.value FROM experiments_runtag t "
    "JOIN experiments_key k ON k.id = t.key_id WHERE t.run_id IN (??) ORDER BY k.name"
)

encode = msgspec.json.Encoder().encode


class WireMetric(msgspec.Struct, gc=False):
    """A point; a NaN is the text ``NaN``."""

    key: str
    value: float | str
    timestamp: int
    step: int


class WireLabel(msgspec.Struct, gc=False):
    """A param or tag."""

    key: str
    value: str


class WireData(msgspec.Struct, omit_defaults=True):
    """What a run logged, without what is empty."""

    metrics: list[WireMetric] = []
    params: list[WireLabel] = []
    tags: list[WireLabel] = []


class VersionedRun(Protocol):
    """What this needs of a run's row."""

    @property
    def id(self) -> int: ...  # noqa: D102
    @property
    def uuid(self) -> str: ...  # noqa: D102
    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def version(self) -> int: ...  # noqa: D102


class _Cache:
    """Bytes of runs, the least recently used ones dropped first."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._n_bytes = 0
        self._held: OrderedDict[str, tuple[int, bytes]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, uuid: str, version: int) -> bytes | None:
        with self._lock:
            held = self._held.get(uuid)
            if held is None or held[0] < version:
                return None
            self._held.move_to_end(uuid)
            return held[1]

    def get_many(self, heads: Iterable[RunHead]) -> dict[int, bytes]:
        """Return what is held of these runs, by their numbers."""
        found: dict[int, bytes] = {}
        with self._lock:
            for run_id, uuid, version in heads:
                held = self._held.get(uuid)
                if held is not None and held[0] >= version:
                    self._held.move_to_end(uuid)
                    found[run_id] = held[1]
        return found

    def put(self, uuid: str, version: int, data: bytes) -> None:
        with self._lock:
            held = self._held.pop(uuid, None)
            if held is not None:
                self._n_bytes -= len(held[1]) + ENTRY_BYTES
            self._held[uuid] = (version, data)
            self._n_bytes += len(data) + ENTRY_BYTES
            while self._n_bytes > self._max_bytes:
                _, (_, dropped) = self._held.popitem(last=False)
                self._n_bytes -= len(dropped) + ENTRY_BYTES


_cache: Final = _Cache(MAX_BYTES)


def held_data_json(heads: Iterable[RunHead]) -> dict[int, bytes]:
    """Return what `run_data_json` would, as far as it is in memory."""
    return _cache.get_many(heads)


def run_data_json(db: Database, rows: Sequence[VersionedRun]) -> dict[int, bytes]:
    """Return ``"data":{…},"inputs":{…},"outputs":{…}`` of each run, by the run's number.

    Every acknowledged point counts, folded or not. The rows must have been read before, so that
    what is read here is at least as new as their versions.
    """
    found: dict[int, bytes] = {}
    stale: dict[int, VersionedRun] = {}
    for row in rows:
        held = _cache.get(row.uuid, row.version)
        if held is None:
            stale[row.id] = row
        else:
            found[row.id] = held
    if stale:
        for run_id, data in _render(db, stale).items():
            _cache.put(stale[run_id].uuid, stale[run_id].version, data)
            found[run_id] = data
    return found


def _render(db: Database, rows: dict[int, VersionedRun]) -> dict[int, bytes]:
    metrics = _metrics(db, list(rows))
    params = _labels(db, FIND_PARAMS, rows)
    tags = _labels(db, FIND_TAGS, rows)
    edges = inputs_and_outputs(db, rows)
    rendered: dict[int, bytes] = {}
    for run_id, row in rows.items():
        inputs, outputs = edges.get(run_id, _NOTHING)
        data = WireData(
            metrics.get(run_id, []),
            params.get(run_id, []),
            [WireLabel(NAME_TAG, row.name), *tags.get(run_id, [])],
        )
        rendered[run_id] = b'"data":%b,"inputs":%b,"outputs":%b' % (
            encode(data),
            encode(inputs),
            encode(outputs),
        )
    return rendered


_NOTHING: Final[tuple[dict[str, Any], dict[str, Any]]] = ({}, {})


def _labels(db: Database, sql: str, run_ids: Iterable[int]) -> dict[int, list[WireLabel]]:
    found: dict[int, list[WireLabel]] = {}
    for run_id, key, value in db.rows_in(sql, run_ids):
        found.setdefault(run_id, []).append(WireLabel(key, value))
    return found


def _metrics(db: Database, run_ids: Sequence[int]) -> dict[int, list[WireMetric]]:
    # The tail first: what is folded meanwhile is then met twice, not missed.
    unfolded = _unfolded(db, run_ids)
    found: dict[int, list[WireMetric]] = {}
    for run_id, key, step, at_ms, value, is_nan in db.rows_in(FIND_LATEST, run_ids):
        if run_id in unfolded:
            point = (step, at_ms, value, bool(is_nan))
            held = unfolded[run_id].get(key)
            unfolded[run_id][key] = point if held is None else max(held, point)
        else:
            shown = "NaN" if is_nan else value
            found.setdefault(run_id, []).append(WireMetric(key, shown, at_ms, step))
    for run_id, points in unfolded.items():
        found[run_id] = [
            WireMetric(key, "NaN" if is_nan else value, at_ms, step)
            for key, (step, at_ms, value, is_nan) in sorted(points.items())
        ]
    return found


def _unfolded(db: Database, run_ids: Sequence[int]) -> dict[int, dict[str, Newest]]:
    """Return the newest points of the unfolded part of each run's tail, by the metric's name."""
    tails: dict[int, list[KeyedColumns]] = {}
    for run_id, data in db.rows_in(FIND_TAILS, run_ids):
        tails.setdefault(run_id, []).append(unpack_tail(data))
    newest = {run_id: newest_of(parts) for run_id, parts in tails.items()}
    key_ids = {key_id for points in newest.values() for key_id in points}
    names: dict[int, str] = dict(db.rows_in(FIND_NAMES, key_ids))
    return {
        run_id: {names[key_id]: point for key_id, point in points.items()}
        for run_id, points in newest.items()
    }
