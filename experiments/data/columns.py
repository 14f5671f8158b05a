"""What a column is for: identifier, constant, grouping, time; judged by figures and by its name."""

import re
from dataclasses import dataclass

from experiments.data.specs import ColumnSchema

IDENTIFIER_SHARE = 0.95
_NAMED_IDENTIFIER_SHARE = 0.5
MIN_ROWS = 10
_ID_TOKENS = {
    "id",
    "ids",
    "uid",
    "uuid",
    "guid",
    "key",
    "pk",
    "index",
    "rowid",
    "identifier",
    "idx",
}
_ID_LOOKALIKES = re.compile(r"(valid|paid|solid|humid|acid|grid|covid|bid|liquid|mid|lipid|rapid)$")
_GROUP_TOKENS = _ID_TOKENS | {
    "user", "customer", "patient", "subject", "session", "account", "host", "star", "group",
    "family", "household", "batch", "site", "device", "ticket",
}  # fmt: skip
_TIME_TOKEN = re.compile(r"^(date|datetime|time|timestamp|epoch|year|month|day)")
_SPLIT = re.compile(r"[^a-z0-9]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class ColumnFacts:
    """Figures of one column that the judgements need."""

    n_rows: int
    n_filled: int
    n_distinct: int
    is_dense: bool = False
    has_equal_lengths: bool = False
    mean_chars: float = 0.0

    @property
    def distinct_share(self) -> float:
        """Distinct values over filled cells, 0 when nothing is filled."""
        return self.n_distinct / self.n_filled if self.n_filled else 0.0


def name_tokens(name: str) -> list[str]:
    """Return the lower-case words a column name is made of."""
    return [part for part in _SPLIT.split(_CAMEL.sub("_", name).lower()) if part]


def is_named_identifier(name: str) -> bool:
    """Return whether the name says identifier: `id`, `PassengerId`, `kepid`, `row_key`."""
    tokens = name_tokens(name)
    if any(token in _ID_TOKENS for token in tokens):
        return True
    last = tokens[-1] if tokens else ""
    return last.endswith("id") and len(last) > 3 and not _ID_LOOKALIKES.search(last)


def column_role(column: ColumnSchema, facts: ColumnFacts) -> str | None:
    """Return "empty", "constant", "identifier" or None."""
    if facts.n_filled == 0:
        return "empty"
    if facts.n_distinct == 1 and facts.n_filled == facts.n_rows:
        return "constant"
    if facts.n_filled < MIN_ROWS or column.type not in ("integer", "text", "category"):
        return None
    return "identifier" if _identifies(column, facts) else None


def _identifies(column: ColumnSchema, facts: ColumnFacts) -> bool:
    share = facts.distinct_share
    if is_named_identifier(column.name) and share > _NAMED_IDENTIFIER_SHARE:
        return True
    if share <= IDENTIFIER_SHARE:
        return False
    if column.type == "integer":
        # Distinct amounts (prices, populations) are no identifiers; running numbers and codes are.
        return facts.is_dense or facts.has_equal_lengths
    return facts.mean_chars <= 40


def is_group_candidate(column: ColumnSchema, facts: ColumnFacts) -> bool:
    """Return whether rows of equal value look like one subject measured several times."""
    if column.type not in ("integer", "text", "category") or facts.n_distinct < 5:
        return False
    share = facts.distinct_share
    if not 0.0 < share < 0.99:
        return False
    is_named = any(token in _GROUP_TOKENS for token in name_tokens(column.name))
    if is_named or is_named_identifier(column.name):
        return True
    return column.type == "integer" and 0.3 < share < 0.99 and facts.has_equal_lengths


def is_time_candidate(column: ColumnSchema) -> bool:
    """Return whether the column can order rows in time."""
    if column.type == "datetime":
        return True
    if column.type not in ("integer", "number") or column.name.lower().find("err") >= 0:
        return False
    return any(_TIME_TOKEN.match(token) for token in name_tokens(column.name))
