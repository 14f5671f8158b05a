"""Conditions and orders of a search of runs as SQL on the run ``r``.

Each condition on a label is an EXISTS on (run, key), which the primary keys answer; the planners of
both databases can do little harm with it, unlike with joins. An order by a label is a LEFT JOIN.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from experiments.models.runs import NO_START_MS
from experiments.tracking.database import Database
from experiments.tracking.search.comparisons import (
    binary,
    in_list,
    integer_condition,
    matches,
    number_condition,
    text_condition,
)
from experiments.tracking.search.fields_runs import RUN_NAME_TAG, SCORE, STATUS_WORDS
from experiments.tracking.search.statement import ALWAYS, NEVER, Fragment, SortColumn
from experiments.tracking.search.vocabulary import Condition, Kind, Sort

MAX_KEY_CHARS: Final = 250
_TABLES: Final = {
    Kind.METRIC: "experiments_latestmetric",
    Kind.PARAM: "experiments_runparam",
    Kind.TAG: "experiments_runtag",
}
_LOCATION: Final = (
    "(SELECT CASE WHEN e.asked_location = '' THEN 'mlflow-artifacts:/' || e.id"
    " ELSE e.asked_location END FROM experiments_experiment e WHERE e.id = r.experiment_id)"
)
_COLUMNS: Final = {
    "run_id": "r.uuid",
    "run_name": "r.name",
    "user_id": "r.user_name",
    "artifact_uri": f"({_LOCATION} || '/' || r.uuid || '/artifacts')",
    "start_time": "r.start_ms",
    "end_time": "r.end_ms",
}
_DATASET_COLUMNS: Final = {"name": "d.name", "digest": "d.digest", "context": "i.context"}
_STATUS_WORD: Final = (
    "CASE r.status "
    + " ".join(f"WHEN '{state}' THEN '{word}'" for state, word in STATUS_WORDS.items())
    + " ELSE '' END"
)


@dataclass(frozen=True, slots=True)
class RunsSql:
    """Turns what was asked into SQL, once the names of keys are numbers."""

    dialect: str
    key_ids: dict[str, int]

    def condition(self, asked: Condition) -> Fragment:
        """Return the condition."""
        if asked.kind is Kind.ATTRIBUTE or is_run_name(asked.kind, asked.key):
            return self._attribute(asked)
        if asked.kind is Kind.DATASET:
            return self._dataset(asked)
        return self._label(asked)

    def sort(self, asked: Sort, number: int) -> tuple[Fragment | None, list[SortColumn]]:
        """Return the join that the order needs, if any, and its sort columns."""
        if asked.kind is Kind.ATTRIBUTE or is_run_name(asked.kind, asked.key):
            key = "run_name" if asked.kind is Kind.TAG else asked.key
            if key == SCORE:
                return None, _score_sort(ascending=asked.ascending)
            return None, [self._attribute_sort(key, ascending=asked.ascending)]
        key_id = self.key_ids.get(asked.key)
        if key_id is None:
            return None, []
        name = f"o{number}"
        join = Fragment(
            f"LEFT JOIN {_TABLES[asked.kind]} {name} ON {name}.run_id = r.id AND {name}.key_id = ?",
            (key_id,),
        )
        if asked.kind is Kind.METRIC:
            rank = f"CASE WHEN {name}.is_nan THEN 1 WHEN {name}.value IS NULL THEN 2 ELSE 0 END"
            value = f"CASE WHEN {name}.is_nan THEN 0.0 ELSE COALESCE({name}.value, 0.0) END"
        else:
            rank = f"CASE WHEN {name}.value IS NULL THEN 1 ELSE 0 END"
            value = binary(self.dialect, f"COALESCE({name}.value, '')")
        return join, [SortColumn(rank), SortColumn(value, ascending=asked.ascending)]

    def tie_break(self, sorts: Iterable[Sort]) -> list[SortColumn]:
        """Return what makes every order complete: the newest start first, then the id."""
        named = {sort.key for sort in sorts if sort.kind is Kind.ATTRIBUTE}
        columns = []
        if "start_time" not in named:
            columns.append(self._attribute_sort("start_time", ascending=False))
        if "run_id" not in named:
            columns.append(SortColumn("r.uuid"))
        return columns

    def _label(self, asked: Condition) -> Fragment:
        key_id = self.key_ids.get(asked.key)
        if key_id is None:
            return ALWAYS if asked.operator == "IS NULL" else NEVER
        found = (
            f"EXISTS (SELECT 1 FROM {_TABLES[asked.kind]} v WHERE v.run_id = r.id AND v.key_id = ?"
        )
        if asked.operator == "IS NULL":
            return Fragment(f"NOT {found})", (key_id,))
        if asked.operator == "IS NOT NULL":
            return Fragment(f"{found})", (key_id,))
        if asked.kind is Kind.METRIC:
            value = number_condition("v.value", asked.operator, asked.value)
            nan = (
                f"(v.is_nan OR {value.sql})"
                if asked.operator == "!="
                else (f"NOT v.is_nan AND {value.sql}")
            )
            value = Fragment(nan, value.params)
        else:
            value = text_condition(self.dialect, "v.value", asked.operator, asked.value)
        return Fragment(f"{found} AND {value.sql})", (key_id, *value.params))

    def _dataset(self, asked: Condition) -> Fragment:
        column = _DATASET_COLUMNS[asked.key]
        value = text_condition(self.dialect, column, asked.operator, asked.value)
        return Fragment(
            "EXISTS (SELECT 1 FROM experiments_datasetinput i"
            " JOIN experiments_loggeddataset d ON d.id = i.dataset_id"
            f" WHERE i.run_id = r.id AND {value.sql})",
            value.params,
        )

    def _attribute(self, asked: Condition) -> Fragment:
        key = "run_name" if asked.kind is Kind.TAG else asked.key
        if asked.operator in ("IS NULL", "IS NOT NULL"):  # of the tag: every run has a name
            return NEVER if asked.operator == "IS NULL" else ALWAYS
        if key == "status":
            return _status(self.dialect, asked)
        if asked.is_number:
            return integer_condition(_COLUMNS[key], asked.operator, asked.value)
        return text_condition(self.dialect, _COLUMNS[key], asked.operator, asked.value)

    def _attribute_sort(self, key: str, *, ascending: bool) -> SortColumn:
        if key in ("start_time", "end_time"):
            # What is missing sorts last in both directions: a far-off moment stands for none.
            far_off = -NO_START_MS if ascending else NO_START_MS
            return SortColumn(f"COALESCE({_COLUMNS[key]}, {far_off})", ascending=ascending)
        if key == "run_id":
            return SortColumn("r.uuid", ascending=ascending)
        column = _STATUS_WORD if key == "status" else _COLUMNS[key]
        return SortColumn(binary(self.dialect, f"({column})"), ascending=ascending)


def is_run_name(kind: Kind, key: str) -> bool:
    """Whether this is the tag that stands for the run's name, which is a column."""
    return kind is Kind.TAG and key == RUN_NAME_TAG


def key_ids_of(db: Database, asked: Iterable[Condition | Sort]) -> dict[str, int]:
    """Return the numbers of the metrics, params and tags that are named, if they exist."""
    return key_numbers(
        db,
        {one.key for one in asked if one.kind in _TABLES and not is_run_name(one.kind, one.key)},
    )


def key_numbers(db: Database, names: Iterable[str]) -> dict[str, int]:
    """Return the numbers of those keys that exist."""
    possible = sorted({name for name in names if len(name) <= MAX_KEY_CHARS})
    if not possible:
        return {}
    wanted = in_list(db.dialect, "name", possible)
    found = db.rows(f"SELECT name, id FROM experiments_key WHERE {wanted.sql}", wanted.params)
    return dict(found)


def _status(dialect: str, asked: Condition) -> Fragment:
    """Nine states have five words, so that the comparison is made here and not by the database."""
    wanted = str(asked.value)
    states: list[str | int] = [
        state for state, word in STATUS_WORDS.items() if _word_fits(word, asked.operator, wanted)
    ]
    return in_list(dialect, "r.status", states) if states else NEVER


def _word_fits(word: str, operator: str, wanted: str) -> bool:
    if operator == "=":
        return word == wanted
    if operator == "!=":
        return word != wanted
    return matches(wanted, word, ignore_case=operator == "ILIKE")


def _score_sort(*, ascending: bool) -> list[SortColumn]:
    """Return the order by a training's score; runs without one come last either way."""
    return [
        SortColumn("CASE WHEN r.headline_value IS NULL THEN 1 ELSE 0 END"),
        SortColumn("COALESCE(r.headline_value, 0.0)", ascending=ascending),
    ]
