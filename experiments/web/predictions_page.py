"""The table of predictions: its filters, its rows with reasons, and the addresses around it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode

from django.urls import reverse

from experiments.api.prediction_files import PREDICTION_FILTERS
from experiments.models import DatasetVersion, Run
from experiments.web import figures
from experiments.web.reason_bars import ProbabilityBar, ReasonBar, probability_bars, reason_bars
from platform_site.core.paging import Window, parse_window

PAGE_ROWS: Final = 25
MAX_PAGE_ROWS: Final = 200
MAX_VALUE_CHARS: Final = 500
# As many as the engine explains at once.
MAX_EXPLAINED: Final = 20
AROUND: Final = 10
SORTS: Final = {
    "classification": ("row", "actual", "prediction", "confidence", "correct"),
    "regression": ("row", "actual", "prediction", "error"),
}


@dataclass(frozen=True)
class PredictionsQuery:
    """What the address asks for."""

    filters: dict[str, str]
    sort: str
    window: Window

    def params(self) -> dict[str, Any]:
        """Return the parameters in the shape of the API."""
        return {
            **self.filters,
            "sort": self.sort,
            "limit": str(self.window.limit),
            "offset": str(self.window.offset),
        }

    def address(self, **changes: str) -> str:
        """Return the query string with some things changed; empty ones are left out."""
        pairs = {**self.filters, "sort": self.sort}
        if self.window.limit != PAGE_ROWS:
            pairs["limit"] = str(self.window.limit)
        pairs |= changes
        return "?" + urlencode({key: value for key, value in pairs.items() if value})


@dataclass(frozen=True)
class Heading:
    """A column's head with the address that sorts by it."""

    name: str
    address: str
    aria_sort: str
    icon: str


@dataclass(frozen=True)
class PredictionRow:
    """One held-out row: truth, prediction, why."""

    number: int
    shown_number: str
    actual: str
    prediction: str
    confidence: str
    confidence_percent: float
    correct: bool | None
    error: str
    probabilities: list[ProbabilityBar]
    reasons: list[ReasonBar]
    summary: list[ReasonBar]
    row_url: str
    explain_url: str


@dataclass(frozen=True)
class PredictionsView:
    """The table with everything around it."""

    is_classification: bool
    headings: dict[str, Heading]
    rows: list[PredictionRow]
    labels: list[str]
    total: str
    range_text: str
    previous_url: str
    next_url: str
    clear_url: str
    export_csv_url: str
    export_parquet_url: str
    explain_more_url: str
    explain_more_count: int
    is_filtered: bool = False
    filters: dict[str, str] = field(default_factory=dict)


def parse_query(params: Mapping[str, str]) -> PredictionsQuery:
    """Return what an address asks for.

    Raises:
        Invalid: naming the parameter that is not a whole number.
    """
    filters = {
        name: params[name][:MAX_VALUE_CHARS].replace("\x00", "")
        for name in PREDICTION_FILTERS
        if params.get(name)
    }
    window = parse_window(params, default_limit=PAGE_ROWS, max_limit=MAX_PAGE_ROWS)
    return PredictionsQuery(filters, params.get("sort", "")[:60], window)


def predictions_view(
    run: Run, query: PredictionsQuery, page: Mapping[str, Any], labels: Sequence[str]
) -> PredictionsView:
    """Return the page of predictions that the engine gave, ready to show."""
    rows = [prediction_row(run, row) for row in page["results"]]
    total, start = int(page["count"]), query.window.offset
    end = start + len(rows)
    here = reverse("experiments:run-predictions-export", args=[run.uuid])
    unexplained = [row.number for row in rows if not row.reasons][:MAX_EXPLAINED]
    explain = reverse("experiments:run-explain", args=[run.uuid])
    return PredictionsView(
        is_classification=run.task == "classification",
        headings={name: _heading(query, name) for name in SORTS[run.task]},
        rows=rows,
        labels=list(labels),
        total=figures.number(total),
        range_text=f"{start + 1:,}–{end:,} / {total:,}" if rows else f"0 / {total:,}",
        previous_url=query.address(offset=str(max(0, start - query.window.limit))) if start else "",
        next_url=query.address(offset=str(end)) if end < total else "",
        clear_url=reverse("experiments:run-predictions", args=[run.uuid]),
        export_csv_url=here + query.address(**{"as": "csv"}),
        export_parquet_url=here + query.address(**{"as": "parquet"}),
        explain_more_url=f"{explain}?{urlencode([('row', n) for n in unexplained])}"
        if unexplained
        else "",
        explain_more_count=len(unexplained),
        is_filtered=bool(query.filters),
        filters=query.filters,
    )


def prediction_row(run: Run, row: Mapping[str, Any]) -> PredictionRow:
    """Return one prediction ready to show."""
    number = int(row["row"])
    confidence = row.get("confidence")
    reasons = reason_bars(row.get("reasons"))
    explain = reverse("experiments:run-explain", args=[run.uuid])
    return PredictionRow(
        number=number,
        shown_number=figures.number(number + 1),
        actual=figures.number(row.get("actual")),
        prediction=figures.number(row["prediction"]),
        confidence="" if confidence is None else figures.percent(100 * confidence),
        confidence_percent=0.0 if confidence is None else round(100 * confidence, 2),
        correct=row.get("correct"),
        error=figures.number(row.get("error"), 4),
        probabilities=probability_bars(row.get("probabilities"), row["prediction"]),
        reasons=reasons,
        summary=reasons[:2],
        row_url=row_url(run, number),
        explain_url=f"{explain}?row={number}",
    )


def tested_version(run: Run) -> DatasetVersion | None:
    """Return the dataset version that the held-out rows come from."""
    return run.test_version or run.dataset_version


def row_url(run: Run, number: int) -> str:
    """Return where the dataset shows this row, empty when the dataset is gone."""
    version = tested_version(run)
    if version is None:
        return ""
    address = reverse("experiments:dataset-rows", args=[version.dataset_id, version.number])
    return f"{address}?{urlencode({'offset': number, 'limit': AROUND})}"


def _heading(query: PredictionsQuery, name: str) -> Heading:
    is_up, is_down = query.sort == name, query.sort == f"-{name}"
    following = f"-{name}" if is_up else ("" if is_down else name)
    return Heading(
        name=name,
        address=query.address(sort=following),
        aria_sort="ascending" if is_up else ("descending" if is_down else ""),
        icon="sort-ascending" if is_up else ("sort-descending" if is_down else ""),
    )
