"""Cells of CSV files that no spreadsheet takes for formulas."""

import csv
import io
import re
from collections.abc import Iterable
from typing import Any, Final

# As in exports of tables: signs that begin a formula, except those of plain numbers.
_FORMULA: Final = re.compile(r"\s*[=+\-@\t\r]")
_PLAIN_NUMBER: Final = re.compile(r"\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\s*")


def safe_text(value: Any) -> str:
    """Return the value as text; what a spreadsheet would execute gets a leading apostrophe."""
    text = "" if value is None else str(value)
    if _FORMULA.match(text) and not _PLAIN_NUMBER.fullmatch(text):
        return f"'{text}"
    return text


def csv_lines(rows: Iterable[Iterable[Any]]) -> bytes:
    """Return rows as UTF-8 lines of a CSV file with safe cells."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerows([safe_text(value) for value in row] for row in rows)
    return text.getvalue().encode()
