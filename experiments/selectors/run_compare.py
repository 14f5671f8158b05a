"""Runs side by side: the params, tags and metrics in which they differ."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from experiments.models import Run
from experiments.selectors.run_columns import Column
from experiments.selectors.run_table import values_of
from experiments.tracking.database import Database
from experiments.tracking.freshness import ensure_folded

MOST_KEYS: Final = 500
TABLES: Final = {
    "params": "experiments_runparam",
    "metrics": "experiments_latestmetric",
    "tags": "experiments_runtag",
}


@dataclass(frozen=True)
class Comparison:
    """Keys by kind (some of them, if there are more) and each run's values by column id."""

    columns: dict[str, list[Column]]
    has_more: dict[str, bool]
    values: dict[int, dict[str, Any]]


def compare(runs: Sequence[Run], *, everything: bool) -> Comparison:
    """Return the runs' values; only keys that differ unless `everything` is wanted; four queries.

    A key that some run lacks differs. At most 500 keys of each kind are compared.
    """
    ids = [run.pk for run in runs]
    ensure_folded(Database.of_django(), run_ids=ids)
    columns: dict[str, list[Column]] = {}
    has_more: dict[str, bool] = {}
    for kind in TABLES:
        names = _keys(kind, ids, everything=everything)
        has_more[kind] = len(names) > MOST_KEYS
        columns[kind] = [Column(kind, name) for name in names[:MOST_KEYS]]
    every = [column for listed in columns.values() for column in listed]
    return Comparison(columns, has_more, values_of(ids, every))


def _keys(kind: str, ids: list[int], *, everything: bool) -> list[str]:
    table = TABLES[kind]
    listed = ", ".join("?" * len(ids))
    differs = "" if everything else f"HAVING COUNT(*) < ? OR {_varies(kind)}"
    params: list[Any] = [*ids] if everything else [*ids, len(ids)]
    sql = (
        "SELECT k.name FROM (SELECT v.key_id AS key_id, COUNT(*) AS n"  # noqa: S608  # our own names
        f" FROM {table} v WHERE v.run_id IN ({listed}) GROUP BY v.key_id {differs}) d"
        " JOIN experiments_key k ON k.id = d.key_id ORDER BY d.n DESC, k.name LIMIT ?"
    )
    rows = Database.of_django().rows(sql, [*params, MOST_KEYS + 1])
    return sorted(name for (name,) in rows)


def _varies(kind: str) -> str:
    if kind == "metrics":
        nan = "CASE WHEN v.is_nan THEN 1 ELSE 0 END"
        return f"MIN(v.value) <> MAX(v.value) OR MIN({nan}) <> MAX({nan})"
    return "MIN(v.value) <> MAX(v.value)"
