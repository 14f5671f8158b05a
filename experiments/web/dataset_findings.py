"""What pages show of a version's difference, targets and reading report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from experiments.models import DatasetVersion
from experiments.web import figures
from experiments.web.dataset_contexts import WarningGroup, warning_groups


@dataclass(frozen=True)
class DifferenceView:
    """What changed since the version before."""

    previous: int
    counts: list[tuple[str | Promise, str, str]]
    columns_added: list[str]
    columns_removed: list[str]
    type_changes: list[Mapping[str, str]]
    key: str
    is_same: bool


@dataclass(frozen=True)
class TargetView:
    """A column seen as a target."""

    target: str
    task: str
    n_missing: str
    classes: list[figures.Share]
    histogram: dict[str, Any] | None
    warnings: list[WarningGroup]
    exclude: list[Mapping[str, str]]
    groups: list[Mapping[str, Any]]
    times: list[Mapping[str, Any]]


@dataclass(frozen=True)
class ReadingView:
    """How the file was read."""

    facts: list[tuple[str | Promise, str]]
    preamble: Sequence[str]
    renamed: Sequence[Mapping[str, str]]
    n_bad_rows: int
    bad_rows: Sequence[Mapping[str, Any]]
    notes: Sequence[str] = field(default_factory=list)


def difference_view(difference: Mapping[str, Any] | None) -> DifferenceView | None:
    """Return what changed since the version before, None for a first version."""
    if not difference:
        return None
    counts: list[tuple[str | Promise, str, str]] = [
        (label, figures.number(difference.get(key)), tone)
        for label, key, tone in (
            (_("rows added"), "rows_added", "good"),
            (_("rows removed"), "rows_removed", "bad"),
            (_("rows changed"), "rows_changed", "warn"),
        )
    ]
    numbers = [difference.get(key) or 0 for key in ("rows_added", "rows_removed", "rows_changed")]
    lists = [difference.get(key) or [] for key in ("columns_added", "columns_removed", "type_changes")]  # fmt: skip
    return DifferenceView(
        previous=int(difference.get("previous") or 0),
        counts=counts,
        columns_added=lists[0],
        columns_removed=lists[1],
        type_changes=lists[2],
        key=str(difference.get("key") or ""),
        is_same=not any(numbers) and not any(lists),
    )


def target_view(result: Mapping[str, Any], n_rows: int) -> TargetView:
    """Return the analysis of a target for the page."""
    classes = result.get("classes") or []
    total = sum(int(item["count"]) for item in classes) or n_rows
    return TargetView(
        target=result["target"],
        task=result.get("task") or "",
        n_missing=figures.number(result.get("n_missing") or 0),
        classes=figures.shares(classes[:50], total),
        histogram=result.get("histogram"),
        # Leaking columns stand in the list of what to leave out, with their reasons.
        warnings=warning_groups(
            [one for one in result.get("warnings") or [] if one["code"] != "leakage"]
        ),
        exclude=result.get("exclude") or [],
        groups=result.get("group_candidates") or [],
        times=result.get("time_candidates") or [],
    )


def reading_view(version: DatasetVersion) -> ReadingView:
    """Return how the file was read."""
    schema, report = version.table_schema or {}, version.report or {}
    bad = report.get("bad_rows") or {}
    separator = schema.get("separator") or ""
    facts: list[tuple[str | Promise, str]] = [
        (_("File"), version.file_name),
        (_("Size"), figures.size(version.blob.size_bytes)),
        (_("Format"), (schema.get("file_format") or "").replace("_", " ")),
        (_("Encoding"), schema.get("encoding") or ""),
        (_("Separator"), {"\t": "tab", ",": "comma ( , )", ";": "semicolon ( ; )"}.get(separator, separator)),
        (_("Decimal mark"), schema.get("decimal") or ""),
        (_("Header line"), str(_("yes") if schema.get("header") else _("no"))),
        (_("Words read as missing"), ", ".join(f"“{one}”" for one in schema.get("null_words") or [])),
        (_("Infinite values"), figures.number(report.get("infinite_values") or 0)),
    ]  # fmt: skip
    return ReadingView(
        facts=[(label, value) for label, value in facts if value],
        preamble=schema.get("preamble") or [],
        renamed=report.get("renamed_columns") or [],
        n_bad_rows=int(bad.get("count") or 0),
        bad_rows=bad.get("first") or [],
        notes=[str(note) for note in report.get("notes") or []],
    )
