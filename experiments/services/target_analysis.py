"""Looking at one column of a version as a target."""

from typing import Any

from experiments.events.datasets import TargetAnalysed, dataset_topic
from experiments.models import DatasetVersion, TargetAnalysis
from experiments.services.ingest import ending_of
from experiments.services.versions import ANALYSE, job_limits
from platform_site.core.clock import now
from platform_site.core.errors import Conflict, Invalid
from platform_site.core.json_parser import finite
from platform_site.core.transactions import write_transaction
from platform_site.events.publish import publish
from platform_site.jobs import states
from platform_site.jobs.models import Job
from platform_site.jobs.queue import enqueue

Status = DatasetVersion.Status


def analyse_target(*, version: DatasetVersion, target: str, by: Any) -> TargetAnalysis:
    """Return the analysis of the column, queued when there is none yet or the last one failed.

    Raises:
        Conflict: when the version is not ready.
        Invalid: when the version has no such column.
    """
    if version.status != Status.READY:
        raise Conflict(f"Version {version.number} is {version.status}, not ready.")
    check_column(version, target, field="target")
    with write_transaction():
        DatasetVersion.objects.select_for_update().only("pk").get(pk=version.pk)
        analysis, made = TargetAnalysis.objects.get_or_create(
            version=version, target=target, defaults={"created_at": now()}
        )
        if made or analysis.status == Status.FAILED:
            _start(analysis, version, by=by)
    return analysis


def check_column(version: DatasetVersion, name: str, *, field: str) -> None:
    """Refuse a name that is no column of the version.

    Raises:
        Invalid: naming the field and the closest thing to help: the number of columns.
    """
    columns = (version.table_schema or {}).get("columns", [])
    if not any(column["name"] == name for column in columns):
        raise Invalid(
            f"Version {version.number} has no column “{name[:200]}”.",
            field=field,
            column=name[:200],
        )


def analysis_to_make(analysis_id: int) -> TargetAnalysis | None:
    """Return the analysis with its version, None when it is gone."""
    return (
        TargetAnalysis.objects.select_related("version__table_blob")
        .defer("version__profile")
        .filter(pk=analysis_id)
        .first()
    )


def complete_analysis(*, analysis_id: int, result: dict[str, Any]) -> None:
    """Store the result and tell followers, inside the job's transaction."""
    analysis = TargetAnalysis.objects.select_related("version").get(pk=analysis_id)
    analysis.result, analysis.status, analysis.error_message = finite(result), Status.READY, ""
    analysis.save(update_fields=["result", "status", "error_message"])
    _tell(analysis)


def analysis_ended(job: Job, *, status: str) -> None:
    """Mark an analysis whose job ended without a result; in the job's transaction."""
    analysis = (
        TargetAnalysis.objects.select_related("version")
        .filter(pk=job.payload["analysis"], job=job, status=Status.VALIDATING)
        .first()
    )
    if analysis is None or status == states.COMPLETED:
        return
    analysis.status, analysis.error_message = Status.FAILED, ending_of(job, status)[1]
    analysis.save(update_fields=["status", "error_message"])
    _tell(analysis)


def _start(analysis: TargetAnalysis, version: DatasetVersion, *, by: Any) -> None:
    analysis.status, analysis.error_message = Status.VALIDATING, ""
    analysis.job = enqueue(
        ANALYSE,
        payload={"analysis": analysis.pk, "dataset": version.dataset_id, "number": version.number},
        topic=dataset_topic(version.dataset_id),
        project_id=version.dataset.project_id,
        by=by,
        **job_limits(),
    )
    analysis.save(update_fields=["status", "error_message", "job"])


def _tell(analysis: TargetAnalysis) -> None:
    publish(
        dataset_topic(analysis.version.dataset_id),
        TargetAnalysed(
            version=analysis.version.number, target=analysis.target, status=analysis.status
        ),
    )
