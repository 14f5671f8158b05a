"""Reading datasets for lists and pages: one shape for API and pages, constant numbers of queries."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Lower

from experiments.models import Dataset, DatasetVersion, Run, TargetAnalysis
from platform_site.accounts.models import Project
from platform_site.core.errors import Invalid
from platform_site.core.paging import Window
from platform_site.jobs import states
from platform_site.jobs.models import Job

MAX_SEARCH_CHARS: Final = 200
ORDERS: Final[dict[str, tuple[Any, ...]]] = {
    "-created": ("-id",),
    "created": ("id",),
    "name": (Lower("name"), "id"),
    "-name": (Lower("name").desc(), "-id"),
}
STATUSES: Final = tuple(DatasetVersion.Status.values)
LIGHT_VERSION_FIELDS: Final = (
    "id",
    "dataset_id",
    "number",
    "status",
    "file_name",
    "n_rows",
    "n_columns",
    "n_warnings",
    "error_code",
    "error_message",
    "created_at",
    "ready_at",
    "blob__sha256",
    "blob__size_bytes",
    "created_by__username",
    "created_by__first_name",
    "created_by__last_name",
    "job__stage",
    "job__status",
    "job__progress_percent",
)


@dataclass(frozen=True, kw_only=True)
class DatasetQuery:
    """What a list of datasets is asked for."""

    search: str = ""
    status: str = ""
    source: str = ""
    archived: bool = False
    sort: str = "-created"


@dataclass(frozen=True, kw_only=True)
class DatasetRow:
    """A dataset as lists show it."""

    id: int
    name: str
    description: str
    source: str
    source_label: str
    project_id: int
    created_at: datetime
    created_by: str
    archived: bool
    status: str
    error_code: str
    error_message: str
    newest: DatasetVersion | None
    stage: str
    progress_percent: float


@dataclass(frozen=True)
class DatasetPage:
    """One page of a list and how many rows the whole list has."""

    rows: list[DatasetRow]
    total: int


def parse_query(params: Mapping[str, str]) -> DatasetQuery:
    """Return the query that URL parameters describe.

    Raises:
        Invalid: naming the parameter that is not among the allowed ones.
    """
    search = params.get("search", "").strip()
    if len(search) > MAX_SEARCH_CHARS or "\x00" in search:
        raise Invalid(f"'search' may have at most {MAX_SEARCH_CHARS} characters.", field="search")
    return DatasetQuery(
        search=search,
        status=_one_of(params, "status", STATUSES),
        source=_one_of(params, "source", tuple(Dataset.Source.values)),
        archived=_one_of(params, "archived", ("yes", "no")) == "yes",
        sort=_one_of(params, "sort", tuple(ORDERS)) or "-created",
    )


def list_datasets(projects: QuerySet[Project], query: DatasetQuery, window: Window) -> DatasetPage:
    """Return one page of the projects' datasets; three queries however many there are."""
    newest = DatasetVersion.objects.filter(dataset=OuterRef("pk")).order_by("-number")
    rows: QuerySet[Dataset] = Dataset.objects.filter(
        project__in=projects, archived_at__isnull=not query.archived
    ).annotate(
        newest_id=Subquery(newest.values("pk")[:1]),
        newest_status=Subquery(newest.values("status")[:1]),
    )
    if query.search:
        rows = rows.filter(Q(name__icontains=query.search) | Q(description__icontains=query.search))
    if query.source:
        rows = rows.filter(source=query.source)
    if query.status:
        rows = rows.filter(_status_filter(query.status))
    total = rows.count()
    ordered = rows.select_related("created_by", "fetch_job").order_by(*ORDERS[query.sort])
    page = list(ordered[window.offset : window.offset + window.limit])
    newest_ids: dict[int, int] = {one.pk: getattr(one, "newest_id") for one in page}  # noqa: B009  # annotated above
    versions = light_versions().in_bulk([number for number in newest_ids.values() if number])
    return DatasetPage([dataset_row(one, versions.get(newest_ids[one.pk])) for one in page], total)


def dataset_row(dataset: Dataset, newest: DatasetVersion | None) -> DatasetRow:
    """Return what lists and the API say about a dataset; needs no query."""
    fetching = dataset.fetch_job
    status, code, message = _status_of(newest, fetching)
    job = fetching if _is_active(fetching) else (newest.job if newest is not None else None)
    working = _is_active(job) and (job is fetching or status == DatasetVersion.Status.VALIDATING)
    return DatasetRow(
        id=dataset.pk,
        name=dataset.name,
        description=dataset.description,
        source=dataset.source,
        source_label=dataset.get_source_display(),
        project_id=dataset.project_id,
        created_at=dataset.created_at,
        created_by=str(dataset.created_by),
        archived=dataset.archived_at is not None,
        status=status,
        error_code=code,
        error_message=message,
        newest=newest,
        stage=job.stage or job.status if job is not None and working else "",
        progress_percent=_progress_of(status, job),
    )


def light_versions() -> QuerySet[DatasetVersion]:
    """Return versions without their large documents."""
    return DatasetVersion.objects.select_related("blob", "created_by", "job").only(
        *LIGHT_VERSION_FIELDS
    )


def newest_version(dataset: Dataset) -> DatasetVersion | None:
    """Return the newest version, whatever became of it."""
    return light_versions().filter(dataset=dataset).order_by("-number").first()


def versions_of(dataset: Dataset, *, before: int | None, limit: int) -> list[DatasetVersion]:
    """Return up to `limit` versions, newest first, below the number `before`."""
    rows = light_versions().filter(dataset=dataset)
    if before is not None:
        rows = rows.filter(number__lt=before)
    return list(rows.order_by("-number")[:limit])


def runs_of_version(version: DatasetVersion, *, limit: int = 20) -> list[Run]:
    """Return the newest runs that learned from the version or were tested on it."""
    return list(
        Run.objects.filter(Q(dataset_version=version) | Q(test_version=version))
        .select_related("created_by")
        .defer("spec", "environment", "model_manifest", "notes")
        .order_by("-id")[:limit]
    )


def target_analyses(version: DatasetVersion) -> list[TargetAnalysis]:
    """Return the columns that were looked at as targets, without the results."""
    return list(
        TargetAnalysis.objects.filter(version=version).defer("result").order_by("target")[:100]
    )


def target_analysis(version: DatasetVersion, target: str) -> TargetAnalysis | None:
    """Return the analysis of a column, None when nobody asked for it."""
    return (
        TargetAnalysis.objects.select_related("job").filter(version=version, target=target).first()
    )


def profile_of(version: DatasetVersion) -> dict[str, Any]:
    """Return the profile, empty while there is none."""
    return version.profile or {}


def _status_of(newest: DatasetVersion | None, fetching: Job | None) -> tuple[str, str, str]:
    if newest is not None:
        return newest.status, newest.error_code, newest.error_message
    if fetching is None or _is_active(fetching):
        return DatasetVersion.Status.VALIDATING, "", ""
    message = fetching.error_message or "The table could not be fetched."
    return DatasetVersion.Status.FAILED, fetching.error_code or fetching.status, message


def _progress_of(status: str, job: Job | None) -> float:
    if status == DatasetVersion.Status.READY:
        return 100.0
    return job.progress_percent if job is not None else 0.0


def _status_filter(status: str) -> Q:
    fetch_active = Q(newest_status=None) & Q(fetch_job__status__in=sorted(states.ACTIVE))
    if status == DatasetVersion.Status.VALIDATING:
        return Q(newest_status=status) | fetch_active
    if status == DatasetVersion.Status.FAILED:
        fetch_over = Q(newest_status=None) & Q(fetch_job__status__in=sorted(states.FINAL))
        return Q(newest_status=status) | fetch_over
    return Q(newest_status=status)


def _is_active(job: Job | None) -> bool:
    return job is not None and job.status in states.ACTIVE


def _one_of(params: Mapping[str, str], name: str, allowed: tuple[str, ...]) -> str:
    value = params.get(name, "")
    if value and value not in allowed:
        raise Invalid(f"'{name}' must be one of {', '.join(allowed)}.", field=name)
    return value
