"""What a practitioner wants to be warned of when a table arrives."""

import re
from typing import Any

from experiments.data.statistics import ColumnResult

HIGH_CARDINALITY = 50
_MOSTLY_MISSING_PERCENT = 50.0
_DATE = re.compile(
    r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}([T ].*)?|\d{1,2}[-/. ](\d{1,2}|[A-Za-z]{3,9})[-/. ]\d{2,4}( .*)?"
    r"|[A-Za-z]{3,9} \d{1,2},? \d{4}"
)


def warning(
    code: str, column: str | None, message: str, severity: str, **details: Any
) -> dict[str, Any]:
    """Return one warning in the shape pages and API show."""
    return {
        "code": code,
        "column": column,
        "message": message,
        "severity": severity,
        "details": details,
    }


def dataset_warnings(
    results: list[ColumnResult], *, n_rows: int, n_duplicates: int
) -> list[dict[str, Any]]:
    """Return the warnings that need no target: columns first, then the table as a whole."""
    made = [item for result in results for item in column_warnings(result)]
    if n_duplicates:
        made.append(
            warning(
                "duplicate_rows",
                None,
                f"{n_duplicates:,} rows repeat an earlier row exactly ({n_duplicates / n_rows:.1%}); "
                "copies in training and test make results look too good.",
                "warning",
                n_rows=n_duplicates,
            )
        )
    return made


def column_warnings(result: ColumnResult) -> list[dict[str, Any]]:
    """Return the warnings about one column."""
    role = result.stats["role"]
    made = []
    if role == "empty":
        return [_about(result, "empty_column", "has no values at all", "warning")]
    if role == "constant":
        made.append(_about(result, "constant_column", "has the same value in every row", "info"))
    if role == "identifier":
        made.append(
            _about(
                result,
                "identifier_column",
                f"looks like an identifier ({result.facts.n_distinct:,} distinct values); a model "
                "would learn it by heart",
                "warning",
                n_distinct=result.facts.n_distinct,
            )
        )
    if result.stats["null_percent"] > _MOSTLY_MISSING_PERCENT:
        made.append(
            _about(
                result,
                "mostly_missing",
                f"is missing in {result.stats['null_percent']:.0f} % of the rows",
                "warning",
                null_percent=result.stats["null_percent"],
            )
        )
    if result.n_infinite:
        made.append(
            _about(
                result,
                "infinite_values",
                f"holds {result.n_infinite:,} infinite values; training treats them as missing",
                "warning",
                count=result.n_infinite,
            )
        )
    return made + _word_warnings(result)


def _word_warnings(result: ColumnResult) -> list[dict[str, Any]]:
    column = result.column
    if column.type == "datetime" and column.format:
        return [
            _about(
                result,
                "date_as_text",
                f"holds dates written as text (format {column.format}); "
                "they were read as date and time",
                "info",
                format=column.format,
            )
        ]
    if column.type not in ("text", "category"):
        return []
    words = [item["value"] for item in result.stats["top_values"]]
    if words and sum(bool(_DATE.fullmatch(word.strip())) for word in words) >= 0.8 * len(words):
        return [
            _about(
                result,
                "date_as_text",
                f"holds dates as text (such as “{words[0]}”), but not in one "
                "format that can be read without doubt; declare it or repair it",
                "warning",
            )
        ]
    if result.stats["role"] is None and result.facts.n_distinct > HIGH_CARDINALITY:
        return [
            _about(
                result,
                "high_cardinality",
                f"has {result.facts.n_distinct:,} different words",
                "info",
                n_distinct=result.facts.n_distinct,
            )
        ]
    return []


def _about(
    result: ColumnResult, code: str, says: str, severity: str, **details: Any
) -> dict[str, Any]:
    name = result.column.name
    return warning(code, name, f"“{name}” {says}.", severity, **details)
