"""What the pages of datasets show: one frozen dataclass per page or part, made from stored documents."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from experiments.models import DatasetVersion
from experiments.web import figures

SEVERITIES: Final = ("danger", "warning", "info")
COLUMNS_PER_PAGE: Final = 100
MAX_PAIRS: Final = 15
TYPE_ICONS: Final = {
    "integer": "hash",
    "number": "wave-sine",
    "boolean": "checkbox",
    "datetime": "calendar",
    "category": "tag",
    "text": "typography",
}
TYPE_LABELS: Final = {
    "integer": _("Whole number"),
    "number": _("Number"),
    "boolean": _("Yes or no"),
    "datetime": _("Date and time"),
    "category": _("Category"),
    "text": _("Text"),
}
ADVICE: Final = {
    "identifier_column": _(
        "Leave it out of the training: it names rows instead of describing them."
    ),
    "constant_column": _("Leave it out: a column that never changes teaches nothing."),
    "empty_column": _("Leave it out, or find out why nothing was recorded."),
    "mostly_missing": _("Ask whether the gaps mean something before you keep it."),
    "leakage": _("Leave it out unless it is known before the target is."),
    "duplicate_rows": _(
        "Remove repeated rows, or group them, so that none is in training and test."
    ),
    "class_imbalance": _("Judge models by balanced accuracy or PR AUC, not by accuracy."),
    "rare_classes": _("Merge rare classes, or collect more rows of them."),
    "date_as_text": _("Read the file again with this column declared as date and time."),
    "high_cardinality": _("Group its values, or leave it out."),
    "infinite_values": _("They are treated as missing in a training; check where they come from."),
}
WARNING_TITLES: Final = {
    "identifier_column": _("Identifiers"),
    "constant_column": _("Columns that never change"),
    "empty_column": _("Empty columns"),
    "mostly_missing": _("Mostly missing"),
    "leakage": _("May give the answer away"),
    "duplicate_rows": _("Repeated rows"),
    "class_imbalance": _("Unbalanced classes"),
    "rare_classes": _("Rare classes"),
    "date_as_text": _("Dates stored as text"),
    "high_cardinality": _("Too many different values"),
    "infinite_values": _("Infinite values"),
}
REPEATED_ADVICE: Final = " Leave it out unless it is known before the target is."
SHOWN_OF_A_KIND: Final = 4
ROLE_LABELS: Final = {
    "identifier": _("identifier"),
    "constant": _("constant"),
    "empty": _("empty"),
}
STAGE_LABELS: Final = {
    "queued": _("Waiting for a worker"),
    "running": _("Starting"),
    "opening": _("Opening the file"),
    "reading": _("Reading rows"),
    "profiling columns": _("Looking at columns"),
    "profiling": _("Looking at columns"),
    "correlations": _("Comparing columns"),
    "warnings": _("Looking for trouble"),
    "comparing": _("Comparing with the version before"),
    "storing": _("Storing"),
    "fetching": _("Fetching from the source"),
}


@dataclass(frozen=True)
class WarningView:
    """A warning with what to do about it."""

    severity: str
    code: str
    column: str
    message: str
    advice: str | Promise


@dataclass(frozen=True)
class WarningGroup:
    """Warnings of one kind: what they have in common, then the columns."""

    severity: str
    title: str | Promise
    advice: str | Promise
    first: list[WarningView]
    rest: list[WarningView]
    count: int


@dataclass(frozen=True)
class ColumnView:
    """A column in the list of columns."""

    name: str
    original_name: str
    type: str
    type_label: str | Promise
    icon: str
    unit: str
    description: str
    role: str | Promise
    null_percent: float
    null_text: str
    distinct_text: str
    summary: str
    picture: str
    warning: str


@dataclass(frozen=True)
class ColumnDetail:
    """Everything known about one column."""

    column: ColumnView
    facts: list[tuple[str | Promise, str]]
    quantiles: list[tuple[str, str]]
    top: list[figures.Share]
    histogram: dict[str, Any] | None
    warnings: list[WarningGroup]
    related: list[tuple[str, str, str]]


@dataclass(frozen=True)
class Summary:
    """The strip of figures on top of a version."""

    n_rows: str
    n_columns: str
    n_missing: str
    missing_hint: str
    n_duplicates: str
    duplicates_hint: str
    size: str
    sha256: str
    sampled: str


@dataclass(frozen=True)
class Relations:
    """Which columns move together and which are missing together."""

    correlation: dict[str, Any]
    pairs: list[tuple[str, str, float, str]]
    missing: list[figures.Share]
    co_missing: dict[str, Any]
    rows_complete: str
    is_truncated: bool


def warning_views(warnings: Sequence[Mapping[str, Any]]) -> list[WarningView]:
    """Return the warnings, the gravest first."""
    made = [
        WarningView(
            severity=item.get("severity", "info"),
            code=item["code"],
            column=item.get("column") or "",
            message=_after_name(item["message"], item.get("column") or ""),
            advice=ADVICE.get(item["code"], ""),
        )
        for item in warnings
    ]
    return sorted(made, key=lambda one: SEVERITIES.index(one.severity))


def _after_name(message: str, column: str) -> str:
    """Return the message without what stands beside it anyway: the column's name, the advice."""
    return message.removeprefix(f"“{column}” ").removesuffix(REPEATED_ADVICE)


def warning_groups(warnings: Sequence[Mapping[str, Any]]) -> list[WarningGroup]:
    """Return the warnings by kind, the gravest kind first."""
    kinds: dict[tuple[str, str], list[WarningView]] = {}
    for view in warning_views(warnings):
        kinds.setdefault((view.severity, view.code), []).append(view)
    return [
        WarningGroup(
            severity=severity,
            title=WARNING_TITLES.get(code, code.replace("_", " ")),
            advice=ADVICE.get(code, ""),
            first=views[:SHOWN_OF_A_KIND],
            rest=views[SHOWN_OF_A_KIND:],
            count=len(views),
        )
        for (severity, code), views in kinds.items()
    ]


def column_views(
    version: DatasetVersion,
    profile: Mapping[str, Any],
    columns: Sequence[Mapping[str, Any]] | None = None,
) -> list[ColumnView]:
    """Return these columns of the profile (default: all) as lists show them."""
    wanted = profile.get("columns", []) if columns is None else columns
    originals = {
        column["name"]: column.get("original_name", "")
        for column in (version.table_schema or {}).get("columns", [])
    }
    gravest: dict[str, str] = {}
    for item in warning_views(profile.get("warnings", [])):
        gravest.setdefault(item.column, item.severity)
    return [
        _column_view(stats, originals.get(stats["name"], ""), gravest.get(stats["name"], ""))
        for stats in wanted
    ]


def matching_columns(profile: Mapping[str, Any], search: str) -> list[Mapping[str, Any]]:
    """Return the profile's columns whose name or description holds the words."""
    words = search.lower()
    return [
        stats
        for stats in profile.get("columns", [])
        if words in f"{stats['name']} {stats.get('description') or ''}".lower()
    ]


def target_choices(profile: Mapping[str, Any]) -> list[tuple[str, str | Promise]]:
    """Return (column, type in words) for the choice of a target."""
    return [
        (stats["name"], TYPE_LABELS.get(stats["type"], stats["type"]))
        for stats in profile.get("columns", [])
    ]


def _column_view(stats: Mapping[str, Any], original: str, severity: str) -> ColumnView:
    histogram, top = stats.get("histogram"), stats.get("top_values") or []
    estimate = "≈ " if stats.get("distinct_is_estimate") else ""
    total = stats.get("n_distinct") or 0
    return ColumnView(
        name=stats["name"],
        original_name=original if original != stats["name"] else "",
        type=stats["type"],
        type_label=TYPE_LABELS.get(stats["type"], stats["type"]),
        icon=TYPE_ICONS.get(stats["type"], "columns"),
        unit=stats.get("unit") or "",
        description=stats.get("description") or "",
        role=ROLE_LABELS.get(stats.get("role") or "", ""),
        null_percent=round(stats.get("null_percent") or 0.0, 3),
        null_text=figures.percent(stats.get("null_percent") or 0.0),
        distinct_text=estimate + figures.number(stats.get("n_distinct")),
        summary=_range_text(stats),
        picture=figures.histogram_path(histogram) or figures.top_path(top, total),
        warning=severity,
    )


def _range_text(stats: Mapping[str, Any]) -> str:
    low, high = stats.get("min"), stats.get("max")
    if low is not None and high is not None and stats["type"] not in ("category", "text"):
        if stats["type"] == "boolean":
            return ""
        return f"{figures.number(low)} … {figures.number(high)}"
    top = stats.get("top_values") or []
    return ", ".join(str(item["value"])[:40] for item in top[:3])


def summary_view(version: DatasetVersion, profile: Mapping[str, Any]) -> Summary:
    """Return the strip of figures."""
    n_rows, n_columns = version.n_rows or 0, version.n_columns or 0
    n_null = sum(column.get("n_null") or 0 for column in profile.get("columns", []))
    cells = n_rows * n_columns
    n_twice = (profile.get("duplicates") or {}).get("n_rows") or 0
    used = (profile.get("sample") or {}).get("rows_used") or n_rows
    return Summary(
        n_rows=figures.number(n_rows),
        n_columns=figures.number(n_columns),
        n_missing=figures.percent(100.0 * n_null / cells if cells else 0.0),
        missing_hint=figures.number(n_null),
        n_duplicates=figures.number(n_twice),
        duplicates_hint=figures.percent(100.0 * n_twice / n_rows if n_rows else 0.0),
        size=figures.size(version.blob.size_bytes),
        sha256=version.blob.sha256,
        sampled=figures.number(used) if used < n_rows else "",
    )


def column_detail(
    version: DatasetVersion, profile: Mapping[str, Any], name: str
) -> ColumnDetail | None:
    """Return everything about the column, None when there is none of this name."""
    stats = next((one for one in profile.get("columns", []) if one["name"] == name), None)
    if stats is None:
        return None
    own = [one for one in profile.get("warnings", []) if one.get("column") == name]
    (view,) = column_views(version, profile, [stats])
    return ColumnDetail(
        column=view,
        facts=_column_facts(stats, view),
        quantiles=[
            (figures.percent(100.0 * float(part)), figures.number(value))
            for part, value in (stats.get("quantiles") or {}).items()
        ],
        top=figures.shares(stats.get("top_values") or [], version.n_rows or 0),
        histogram=stats.get("histogram"),
        warnings=warning_groups(own),
        related=_related(profile, name),
    )


def _column_facts(stats: Mapping[str, Any], view: ColumnView) -> list[tuple[str | Promise, str]]:
    facts: list[tuple[str | Promise, str]] = [
        (_("Type"), str(view.type_label)),
        (_("Unit"), view.unit),
        (_("Name in the file"), view.original_name),
        (_("Missing"), f"{figures.number(stats.get('n_null'))} ({view.null_text})"),
        (_("Distinct values"), view.distinct_text),
    ]
    for label, key in (
        (_("Smallest"), "min"),
        (_("Largest"), "max"),
        (_("Mean"), "mean"),
        (_("Standard deviation"), "std"),
    ):
        if stats.get(key) is not None:
            facts.append((label, figures.number(stats[key])))
    return [(label, value) for label, value in facts if value]


def _related(profile: Mapping[str, Any], name: str) -> list[tuple[str, str, str]]:
    return [
        (second if first == name else first, text, tone_of(value))
        for first, second, value, text in strongest_pairs(profile, limit=1000)
        if name in (first, second)
    ][:8]


def tone_of(value: float) -> str:
    """Return how strong a correlation is, as a word for CSS."""
    return "strong" if abs(value) >= 0.8 else "clear" if abs(value) >= 0.4 else "weak"


def strongest_pairs(
    profile: Mapping[str, Any], *, limit: int = MAX_PAIRS
) -> list[tuple[str, str, float, str]]:
    """Return pairs of different columns by the size of their correlation."""
    found = profile.get("correlation") or {}
    names, matrix = found.get("columns") or [], found.get("matrix") or []
    pairs = [
        (names[i], names[j], float(matrix[i][j]), f"{matrix[i][j]:+.3f}".replace("-", "−"))
        for i in range(len(names))
        for j in range(i + 1, len(names))
        if i < len(matrix) and matrix[i][j] is not None
    ]
    pairs.sort(key=lambda pair: -abs(pair[2]))
    return pairs[:limit]


def relations_view(version: DatasetVersion, profile: Mapping[str, Any]) -> Relations:
    """Return correlations and missingness."""
    missingness = profile.get("missingness") or {}
    names = missingness.get("columns") or []
    by_name = {one["name"]: one for one in profile.get("columns", [])}
    missing = [{"value": name, "count": by_name[name].get("n_null") or 0} for name in names]
    correlation = profile.get("correlation") or {"columns": [], "matrix": []}
    n_numeric = sum(1 for one in by_name.values() if one["type"] in ("integer", "number"))
    return Relations(
        correlation=correlation,
        pairs=strongest_pairs(profile),
        missing=figures.shares(missing, version.n_rows or 0),
        co_missing={"columns": names, "matrix": missingness.get("co_missing") or []},
        rows_complete=figures.number(missingness.get("rows_complete")),
        is_truncated=len(correlation.get("columns") or []) >= 60 < n_numeric,
    )


def stage_label(stage: str) -> str | Promise:
    """Return the stage in words for people."""
    return STAGE_LABELS.get(stage, stage)
