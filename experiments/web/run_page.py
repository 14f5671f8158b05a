"""What run pages show: the frame of one run, its curves and its tabs."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest

from experiments.events.runs import run_topic
from experiments.models import Run
from experiments.selectors.run_overview import RunParts, parts_of
from experiments.selectors.runs import curves, latest_values, log_tail
from experiments.services.run_progress import line_data
from experiments.training.specs import CATALOGUE
from platform_site.accounts.access import ROLES_FOR, role_in
from platform_site.events.snapshots import place
from platform_site.jobs.control import ACTIONS_FOR
from platform_site.jobs.models import Job


@dataclass(frozen=True)
class RunFrame:
    """What every page of a run shows around its content."""

    run: Run
    job: Job | None
    model_title: str
    controls: tuple[str, ...]
    may_write: bool
    has_report: bool
    parts: RunParts
    is_tracked: bool
    tab: str
    live: dict[str, Any]
    keeps_partial: bool
    in_steps: bool


def run_frame(request: HttpRequest, run: Run, *, tab: str, after: int) -> RunFrame:
    """Return the frame of the run's pages."""
    role = role_in(request.user, run.project_id)
    entry = CATALOGUE.get(run.model_type)
    may_write = role in ROLES_FOR["write"]
    parts = parts_of(run)
    return RunFrame(
        run=run,
        job=run.job,
        model_title=entry.title if entry else run.model_type,
        controls=ACTIONS_FOR.get(run.status, ()) if may_write and run.job else (),
        may_write=may_write,
        has_report=parts.has_report,
        parts=parts,
        is_tracked=run.kind == Run.Kind.TRACKED,
        tab=tab,
        live={"topic": run_topic(run.uuid), "after": after, "uuid": run.uuid, "status": run.status},
        keeps_partial=bool(entry and entry.supports_partial_stop),
        in_steps=bool(entry and entry.strategy != "oneshot"),
    )


def snapshot_number(run_uuid: str) -> int:
    """Return how far the run's topic has come; read it before the run itself."""
    return int(place(run_topic(run_uuid))["after"])


@dataclass(frozen=True)
class RunOverview:
    """The overview: curves, log tail, latest values, specification, lineage."""

    curves: dict[str, list[tuple[int, float | None]]]
    latest: dict[str, float | None]
    lines: list[dict[str, Any]]
    params: list[tuple[str, str]]
    excluded: dict[str, list[str]]
    environment: dict[str, Any]
    versions: list[Any]
    traceback: str


def run_overview(request: HttpRequest, run: Run) -> RunOverview:
    """Return what the overview of a run shows."""
    job = run.job
    return RunOverview(
        curves=curves(run),
        latest=latest_values(run),
        lines=[line_data(line) for line in log_tail(job)] if job else [],
        params=list(run.params.order_by("key__name").values_list("key__name", "value")),
        excluded=_columns_by_reason(run.spec.get("excluded", [])),
        environment=run.environment,
        versions=list(
            run.model_versions.select_related("model")
            .defer("manifest", "card", "metrics")
            .order_by("-id")
        ),
        traceback=job.traceback if job and request.user.is_superuser else "",
    )


def _columns_by_reason(excluded: list[dict[str, str]]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for one in excluded:
        groups.setdefault(one["reason"], []).append(one["column"])
    return groups
