"""What an address (or a saved view) asks of a table of runs, and the address that asks it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import urlencode

from experiments.selectors.run_columns import Column, parse_column, parse_columns

MAX_FILTER_CHARS: Final = 10_000
VIEWS: Final = ("active", "deleted", "all")
FIELDS: Final = ("q", "sort", "cols", "group", "view")
# Whatever holds an operator is a filter in the search's grammar, the rest are plain words.
_OPERATOR: Final = re.compile(r"[=<>]|\s(?:like|ilike|in|not\s+in|is)\s", re.IGNORECASE)
_RUN_ID: Final = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class TableAddress:
    """The readable form of a table's query; an empty field is left out of addresses."""

    q: str = ""
    sort: str = ""
    cols: tuple[Column, ...] = ()
    group: str = ""
    view: str = ""

    def to_query(self) -> dict[str, str]:
        """Return the fields that say something, as a saved view keeps them."""
        fields = {
            "q": self.q,
            "sort": self.sort,
            "cols": ",".join(_escaped(column.id) for column in self.cols),
            "group": self.group,
            "view": self.view,
        }
        return {name: value for name, value in fields.items() if value}

    def address(self, **changes: Any) -> str:
        """Return the query string with some fields changed."""
        return "?" + urlencode(replace(self, **changes).to_query())

    @property
    def without_columns(self) -> str:
        """The query string with the usual columns."""
        return self.address(cols=())

    @property
    def filter_text(self) -> str:
        """The filter in the search's grammar."""
        return as_filter(self.q)

    @property
    def order_by(self) -> tuple[str, ...]:
        """The order in the search's grammar."""
        column = parse_column(self.sort.removeprefix("-"))
        if column is None or not column.is_sortable:
            return ()
        return (f"{column.grammar_name()} {'DESC' if self.sort.startswith('-') else 'ASC'}",)

    @property
    def group_column(self) -> Column | None:
        """The param or tag whose values make groups."""
        column = parse_column(self.group)
        return column if column and column.kind in {"params", "tags"} else None


def parse_address(params: Mapping[str, Any]) -> TableAddress:
    """Return what the parameters ask for; what makes no sense is left out."""
    text = {name: str(params.get(name) or "").replace("\x00", "") for name in FIELDS}
    return TableAddress(
        q=text["q"].strip()[:MAX_FILTER_CHARS],
        sort=text["sort"][:300],
        cols=parse_columns([_unescaped(one) for one in _split(text["cols"])]),
        group=text["group"][:300],
        view=text["view"] if text["view"] in VIEWS else "",
    )


def as_filter(text: str) -> str:
    """Return the text as a filter: as it is, or as plain words that the run's name contains."""
    if not text or _OPERATOR.search(text):
        return text
    return " AND ".join(_word_clause(word) for word in text.split())


def _word_clause(word: str) -> str:
    if _RUN_ID.fullmatch(word):
        return f"attributes.run_id = '{word}'"
    quote = '"' if "'" in word else "'"
    return f"attributes.run_name ILIKE {quote}%{word.replace(quote, '_')}%{quote}"


# Keys may hold commas, which separate columns.
def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace(",", "\\,")


def _split(text: str) -> list[str]:
    return [one for one in re.findall(r"(?:[^,\\]|\\.)+", text) if one]


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)
