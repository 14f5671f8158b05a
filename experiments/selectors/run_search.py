"""The search of the tracking server as pages use it: inside one project, with keyset pages."""

from dataclasses import dataclass
from typing import Final

from experiments.selectors.run_columns import Column
from experiments.tracking.database import Database
from experiments.tracking.freshness import ensure_folded
from experiments.tracking.search.columns import keys_in_use
from experiments.tracking.search.runs import search_runs
from experiments.tracking.search.statement import View

VIEWS: Final[dict[str, View]] = {"active": "ACTIVE_ONLY", "deleted": "DELETED_ONLY", "all": "ALL"}
OWN_KEYS: Final = ("mlflow.", "system/")


@dataclass(frozen=True)
class RunScope:
    """Where to look: all experiments of a project, or one of them."""

    project_id: int
    experiment_id: int | None = None

    @property
    def experiment_ids(self) -> list[int] | None:
        """The experiments as the search wants them; None for all."""
        return None if self.experiment_id is None else [self.experiment_id]


def find_runs(
    scope: RunScope,
    *,
    filter_text: str,
    order_by: tuple[str, ...],
    view: str,
    limit: int,
    token: str,
) -> tuple[list[int], str]:
    """Return the numbers of one page of runs and the next page's token, empty on the last one.

    Raises:
        Invalid: naming the clause, key or token that does not fit.
    """
    db = Database.of_django()
    rows, following = search_runs(
        db,
        [scope.project_id],
        scope.experiment_ids,
        filter_text,
        order_by,
        VIEWS[view],
        limit,
        token or None,
    )
    return [row.id for row in rows], following or ""


def _dirty(db: Database, scope: RunScope) -> list[int]:
    column = "project_id" if scope.experiment_id is None else "experiment_id"
    owner = scope.project_id if scope.experiment_id is None else scope.experiment_id
    sql = f"SELECT id FROM experiments_run WHERE dirty > 0 AND {column} = ?"  # noqa: S608  # one of two names
    return [number for (number,) in db.rows(sql, [owner])]


def used_keys(scope: RunScope, words: str, *, limit: int) -> list[tuple[Column, int]]:
    """Return the keys of the newest runs whose name holds the words, most used first, counted."""
    db = Database.of_django()
    ensure_folded(db, run_ids=_dirty(db, scope))
    used = keys_in_use(db, [scope.project_id], scope.experiment_ids)
    folded = words.casefold()
    found = [
        (Column(kind, use.name), use.n_runs)
        for kind, uses in (("metrics", used.metrics), ("params", used.params), ("tags", used.tags))
        for use in uses
        if folded in use.name.casefold()
    ]
    # What clients note by themselves is rarely looked for.
    return sorted(found, key=lambda one: (one[0].key.startswith(OWN_KEYS), -one[1]))[:limit]
