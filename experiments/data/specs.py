"""Light vocabulary of the data engine: errors, schemas and reading options (standard library only)."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

COLUMN_TYPES = ("integer", "number", "boolean", "datetime", "category", "text")
FILE_FORMATS = ("csv", "json_records", "json_lines", "json_columns", "parquet")
DEFAULT_NULL_WORDS = (
    "", "NA", "N/A", "n/a", "na", "#N/A", "NaN", "nan", "NAN", "-nan", "null", "NULL", "Null",
    "None", "<NA>", "?", "-", "--",
)  # fmt: skip
MISSING_CATEGORY = "__missing__"


class EngineError(Exception):
    """A mistake in what the user gave the engine: stable code, words for people, details for code."""

    def __init__(self, code: str, message: str, **details: Any) -> None:
        """Store the stable `code`, the human `message` and JSON-clean `details`."""
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details

    def to_json(self) -> dict[str, Any]:
        """Return the error as a plain dict."""
        return {"code": self.code, "message": self.message, "details": self.details}

    def __reduce__(self) -> tuple[Any, ...]:
        """Survive the trip between processes, details included."""
        return _rebuild_error, (self.code, self.message, self.details)


def _rebuild_error(code: str, message: str, details: dict[str, Any]) -> EngineError:
    return EngineError(code, message, **details)


def _known(cls: Any, data: Mapping[str, Any]) -> dict[str, Any]:
    names = {item.name for item in fields(cls)}
    return {key: value for key, value in data.items() if key in names}


@dataclass(frozen=True, slots=True)
class ColumnSchema:
    """One column of a stored table: its safe name, the name in the file, and its type."""

    name: str
    original_name: str
    type: str
    nullable: bool = True
    unit: str = ""
    description: str = ""
    format: str = ""
    levels: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        """Refuse unknown column types."""
        if self.type not in COLUMN_TYPES:
            raise EngineError(
                "unknown_column_type",
                f"Column “{self.name}” has the unknown type “{self.type}”; "
                f"known types: {', '.join(COLUMN_TYPES)}.",
                column=self.name,
            )

    def to_json(self) -> dict[str, Any]:
        """Return a plain dict."""
        data = asdict(self)
        data["levels"] = None if self.levels is None else list(self.levels)
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Build from `to_json()` output; unknown keys are ignored."""
        values = _known(cls, data)
        if values.get("levels") is not None:
            values["levels"] = tuple(values["levels"])
        return cls(**values)


@dataclass(frozen=True, slots=True)
class DatasetSchema:
    """How a file was read and what columns its stored table has."""

    columns: tuple[ColumnSchema, ...]
    file_format: str = "csv"
    encoding: str = "utf-8"
    separator: str = ""
    decimal: str = "."
    comment_prefix: str = ""
    preamble: tuple[str, ...] = ()
    null_words: tuple[str, ...] = DEFAULT_NULL_WORDS
    header: bool = True

    @property
    def names(self) -> list[str]:
        """Column names in order."""
        return [column.name for column in self.columns]

    def column(self, name: str) -> ColumnSchema:
        """Return the column called `name`.

        Raises:
            EngineError: `unknown_column` when there is none.
        """
        for column in self.columns:
            if column.name == name:
                return column
        raise EngineError("unknown_column", f"There is no column “{name}”.", column=name)

    def to_json(self) -> dict[str, Any]:
        """Return a plain dict."""
        return {
            "columns": [column.to_json() for column in self.columns],
            "file_format": self.file_format,
            "encoding": self.encoding,
            "separator": self.separator,
            "decimal": self.decimal,
            "comment_prefix": self.comment_prefix,
            "preamble": list(self.preamble),
            "null_words": list(self.null_words),
            "header": self.header,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Build from `to_json()` output; unknown keys are ignored."""
        values = _known(cls, data)
        values["columns"] = tuple(ColumnSchema.from_json(item) for item in data["columns"])
        for key in ("preamble", "null_words"):
            if key in values:
                values[key] = tuple(values[key])
        return cls(**values)


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """What the user declared about a file (None = detect) and the limits for reading it."""

    encoding: str | None = None
    separator: str | None = None
    decimal: str | None = None
    comment_prefix: str | None = None
    header: bool | None = None
    null_words: tuple[str, ...] | None = None
    column_types: Mapping[str, str] = field(default_factory=dict)
    skip_bad_rows: bool = False
    max_stored_bytes: int = 512 * 1024**2
    max_expanded_bytes: int = 2 * 1024**3
    max_columns: int = 10_000
    warn_columns: int = 2_000
    max_cells: int = 50_000_000
    max_field_bytes: int = 1024**2
    max_line_bytes: int = 16 * 1024**2
    sample_rows: int = 10_000

    def __post_init__(self) -> None:
        """Refuse unknown declared types and impossible separators early."""
        for name, type_ in self.column_types.items():
            if type_ not in COLUMN_TYPES:
                raise EngineError(
                    "unknown_column_type",
                    f"Column “{name}” is declared as “{type_}”; known types: "
                    f"{', '.join(COLUMN_TYPES)}.",
                    column=name,
                )
        if self.separator is not None and (len(self.separator) != 1 or self.separator in '"\r\n'):
            raise EngineError("bad_option", "The separator must be a single character.")
        if self.decimal not in (None, ".", ","):
            raise EngineError("bad_option", "The decimal mark must be “.” or “,”.")

    def to_json(self) -> dict[str, Any]:
        """Return a plain dict."""
        data = asdict(self)
        data["null_words"] = None if self.null_words is None else list(self.null_words)
        data["column_types"] = dict(self.column_types)
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Build from `to_json()` output (or any subset of it); unknown keys are ignored."""
        values = _known(cls, data)
        if values.get("null_words") is not None:
            values["null_words"] = tuple(values["null_words"])
        return cls(**values)


@dataclass(frozen=True, slots=True)
class IngestResult:
    """Outcome of reading one file into a typed table."""

    schema: DatasetSchema
    n_rows: int
    n_columns: int
    report: dict[str, Any]
