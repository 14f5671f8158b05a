"""What reading delimited text found: column schemas, renamed columns, refused rows."""

from experiments.data.csv_pieces import BadRows
from experiments.data.inference import ColumnPlan
from experiments.data.specs import ColumnSchema, EngineError
from experiments.data.table_writing import TableWriter, text_or_category


def ragged_rows(bad: BadRows, n_columns: int, *, is_complete: bool) -> EngineError:
    """Return the error that refuses a file with rows of different length."""
    amount = f"{bad.count:,}" if is_complete else f"More than {bad.count - 1:,}"
    first = "; ".join(f"row {item['row']}: {item['reason']}" for item in bad.first)
    return EngineError(
        "ragged_rows",
        f"{amount} rows do not have the {n_columns} fields of the header ({first}). Repair the "
        "file or choose to skip bad rows.",
        count=bad.count,
        first=bad.first,
    )


def renamed(columns: tuple[ColumnSchema, ...]) -> list[dict[str, str]]:
    """Return [{from, to}] for each column whose name had to change."""
    return [
        {"from": column.original_name, "to": column.name}
        for column in columns
        if column.original_name != column.name
    ]


def column_schema(
    name: str,
    original: str,
    plan: ColumnPlan,
    writer: TableWriter,
    notes: dict[str, tuple[str, str]],
) -> ColumnSchema:
    """Return the schema of one column from its plan and what was written."""
    kind, levels = plan.kind, None
    if kind in ("text", "category", "unknown"):
        levels = writer.levels(name)
        n_filled = writer.n_rows - writer.n_null[name]
        kind = kind if plan.is_declared else text_or_category(levels, n_filled)
        levels = levels if kind == "category" else None
    text, unit = notes.get(original.strip(), ("", ""))
    return ColumnSchema(
        name, original, kind, nullable=writer.n_null[name] > 0, unit=unit or plan.unit,
        description=text, format=plan.format, levels=levels,
    )  # fmt: skip
