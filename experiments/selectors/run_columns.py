"""Columns of a table of runs: what may stand in one, and how the search's grammar names it."""

from dataclasses import dataclass
from typing import Final

MAX_KEY_CHARS: Final = 250
MAX_COLUMNS: Final = 40
KINDS: Final = ("attributes", "metrics", "params", "tags")
PARENT_TAG: Final = "mlflow.parentRunId"
# Whether the grammar can order by it; the others are shown only.
ATTRIBUTES: Final = {
    "status": True,
    "experiment": False,
    "data": False,
    "score": True,
    "user_id": True,
    "start_time": True,
    "duration": False,
    "end_time": True,
    "run_name": True,
    "run_id": True,
}
_PLAIN: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.")


@dataclass(frozen=True)
class Column:
    """An attribute of runs, or one key of their metrics, params or tags."""

    kind: str
    key: str

    @property
    def id(self) -> str:
        """How addresses, saved views and scripts call it."""
        return f"{self.kind}.{self.key}"

    @property
    def is_number(self) -> bool:
        """Whether its cells stand at the end of their column."""
        return self.kind == "metrics" or self.id in {"attributes.duration", "attributes.score"}

    @property
    def is_sortable(self) -> bool:
        """Whether runs can be ordered by it."""
        if self.kind == "attributes":
            return ATTRIBUTES[self.key]
        return not ("`" in self.key and '"' in self.key)

    def grammar_name(self) -> str:
        """Return how a filter or an order names it."""
        if self.kind == "attributes" or set(self.key) <= _PLAIN:
            return self.id
        quote = '"' if "`" in self.key else "`"
        return f"{self.kind}.{quote}{self.key}{quote}"


def parse_column(text: str) -> Column | None:
    """Return the column of this id, None when there can be no such column."""
    kind, _, key = text.partition(".")
    if kind not in KINDS or not key or len(key) > MAX_KEY_CHARS or "\x00" in key:
        return None
    if kind == "attributes" and key not in ATTRIBUTES:
        return None
    return Column(kind, key)


def parse_columns(texts: list[str]) -> tuple[Column, ...]:
    """Return the columns that these ids name, each once, at most forty."""
    found = dict.fromkeys(column for text in texts if (column := parse_column(text)) is not None)
    return tuple(found)[:MAX_COLUMNS]
