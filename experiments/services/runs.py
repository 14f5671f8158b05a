"""Trainings: start one, follow its job, keep what it found."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from django.db.models import F, QuerySet

from assets.models import Blob
from assets.services import blobs
from assets.storage import StoredBytes
from experiments.events.runs import RunEvaluated, RunResources, RunStatusChanged, run_topic
from experiments.models import Run, RunParam, RunReport, RunTag
from experiments.services.default_experiment import experiment_for
from experiments.services.model_folder import MODEL_FILE, keep_model_folder
from experiments.services.training_requests import TrainingRequest, build_spec
from experiments.tracking.keys import key_ids
from experiments.training.specs import TrainingSpec, get_model_type
from platform_site.accounts.models import Project, User
from platform_site.core.clock import epoch_ms, now
from platform_site.core.errors import Conflict, Invalid, NotFound
from platform_site.core.names import model_name
from platform_site.core.transactions import write_transaction
from platform_site.events.publish import publish
from platform_site.jobs import states
from platform_site.jobs.models import Job
from platform_site.jobs.queue import enqueue

SOURCE_TAG: Final = "assay.source"
HEADLINE: Final = {"classification": "accuracy", "regression": "r2"}
TRAIN: Final = "training.train"
EVALUATE: Final = "training.evaluate"
MAX_NAME_CHARS: Final = 250


def start_training(*, project: Project, by: User, request: TrainingRequest) -> Run:
    """Make a run and put its job in line; return the run.

    Raises:
        Invalid: naming the field that cannot work; nothing was made.
        Conflict: when the dataset version is not ready.
    """
    spec = build_spec(request)
    if request.version.dataset.project_id != project.pk:
        raise NotFound("No such dataset.")
    name = (request.name or _proposed_name(spec)).strip()
    if len(name) > MAX_NAME_CHARS:
        raise Invalid(f"A name has at most {MAX_NAME_CHARS} characters.", field="name")
    if request.register_as:
        register_as = model_name(request.register_as, field="register_as", max_chars=200)
        request = replace(request, register_as=register_as)
    with write_transaction():
        run = _create_run(project, by, request, spec, name)
        run.job = enqueue(
            TRAIN,
            payload={"run": run.pk},
            topic=run_topic(run.uuid),
            project_id=project.pk,
            by=by,
            queue=Job.Queue.TRAIN,
            memory_limit_bytes=spec.memory_limit_bytes,
        )
        run.save(update_fields=["job"])
    return run


def _create_run(
    project: Project, by: User, request: TrainingRequest, spec: TrainingSpec, name: str
) -> Run:
    moment = now()
    experiment = experiment_for(project, request.experiment, by)
    run = Run.objects.create(
        project=project,
        experiment=experiment,
        name=name,
        dataset_version=request.version,
        test_version=request.test_version,
        model_type=spec.model_type,
        task=spec.task,
        target=spec.target,
        spec=spec.to_json(),
        spec_digest=spec.digest(),
        seed=spec.seed,
        register_as=request.register_as,
        user_name=by.username,
        created_by=by,
        created_at=moment,
        start_ms=epoch_ms(moment),
        dirty=Run.Dirty.CREATED,
    )
    params = _params(request, spec)
    ids = key_ids([*params, SOURCE_TAG])
    RunParam.objects.bulk_create(
        RunParam(run=run, key_id=ids[key], value=value) for key, value in params.items()
    )
    RunTag.objects.create(run=run, key_id=ids[SOURCE_TAG], value="training form or API")
    return run


def _proposed_name(spec: TrainingSpec) -> str:
    return f"{get_model_type(spec.model_type).title} for {spec.target}"


def _params(request: TrainingRequest, spec: TrainingSpec) -> dict[str, str]:
    return {
        "model_type": spec.model_type,
        "target": spec.target,
        "task": spec.task,
        "dataset": f"{request.version.dataset.name} v{request.version.number}",
        "validation": spec.validation.kind,
        "seed": str(spec.seed),
        **{key: str(value) for key, value in spec.hyperparameters.items()},
    }


def status_event(job: Job) -> RunStatusChanged:
    """Return what followers of the run hear about its job's state."""
    return RunStatusChanged(
        status=job.status,
        stage=job.stage,
        progress=round(job.progress_percent, 2),
        attempt=job.attempts,
        error_code=job.error_code,
        error_message=job.error_message,
        started_at=job.started_at.isoformat() if job.started_at else None,
        ended_at=job.finished_at.isoformat() if job.finished_at else None,
    )


def training_changed(job: Job) -> None:
    """Let the run follow its job; inside the transaction that moved the job."""
    runs = _run_of(job)
    runs.update(
        status=job.status,
        # In line it counts from its beginning there: lists show the newest start first.
        start_ms=epoch_ms(job.started_at or job.queued_at),
        end_ms=epoch_ms(job.finished_at),
        version=F("version") + 1,
    )
    if runs.exists():
        publish(job.topic, status_event(job))


def training_ended(job: Job, *, status: str) -> None:
    """Let the run end with its job; a stopped run that learned something is evaluated next."""
    training_changed(job)
    if status == states.STOPPED and job.started_at is not None:
        _enqueue_evaluation(job)


def _enqueue_evaluation(job: Job) -> None:
    run = _run_of(job).first()
    if run is None or not get_model_type(run.model_type).supports_partial_stop:
        return
    run.evaluation_job = enqueue(
        EVALUATE,
        payload={"run": run.pk, "training_job": job.pk},
        topic=run_topic(run.uuid),
        project_id=run.project_id,
        by=job.created_by,
    )
    run.save(update_fields=["evaluation_job"])


def training_beat(job: Job) -> None:
    """Tell followers what the run's process uses; inside the supervisor's heartbeat."""
    publish(
        job.topic,
        RunResources(cpu_percent=job.cpu_percent, rss_bytes=job.rss_bytes, cpu_s=job.cpu_s),
    )


def _run_of(job: Job) -> QuerySet[Run]:
    return Run.objects.filter(pk=job.payload["run"])


@dataclass(frozen=True, kw_only=True)
class TrainingResult:
    """What a finished (or stopped) training leaves behind."""

    result: Mapping[str, Any]
    manifest: Mapping[str, Any]
    model: StoredBytes
    predictions: StoredBytes
    card: str
    notes: list[str]
    beside: Mapping[str, StoredBytes] = field(default_factory=dict)
    """What lies beside the model file for clients of the protocol, by name."""


def record_environment(
    run: Run, *, environment: Mapping[str, Any], host: str, code_version: str
) -> None:
    """Keep what the run's process ran on, inside the caller's (fenced) transaction."""
    Run.objects.filter(pk=run.pk).update(
        environment=dict(environment), host=host, code_version=code_version
    )


def record_result(run: Run, outcome: TrainingResult) -> None:
    """Keep report, predictions and model of a run, inside the caller's (fenced) transaction."""
    headline = HEADLINE[run.task]
    value = (outcome.result["metrics"].get(headline) or {}).get("value")
    model_blob: Blob = blobs.record(outcome.model)
    RunReport.objects.update_or_create(
        run=run,
        defaults={
            "result": outcome.result,
            "predictions_blob": blobs.record(outcome.predictions),
            "model_card": outcome.card,
            "created_at": now(),
        },
    )
    Run.objects.filter(pk=run.pk).update(
        model_blob=model_blob,
        model_manifest=dict(outcome.manifest),
        headline_metric=headline,
        headline_value=value,
        notes=outcome.notes,
    )
    keep_model_folder(run, {MODEL_FILE: outcome.model, **outcome.beside})
    publish(run_topic(run.uuid), RunEvaluated(headline_metric=headline, headline_value=value))


def clean_run_name(name: str) -> str:
    """Return the name without blanks around it.

    Raises:
        Invalid: for an empty or too long name.
    """
    clean = name.strip()
    if not clean or len(clean) > MAX_NAME_CHARS:
        raise Invalid(f"A name has 1 to {MAX_NAME_CHARS} characters.", field="name")
    return clean


def require_report(run: Run) -> RunReport:
    """Return the run's report.

    Raises:
        Conflict: saying why there is none (yet).
    """
    report = RunReport.objects.filter(run=run).first()
    if report is not None:
        return report
    if run.status in states.ACTIVE:
        raise Conflict(f"The run is {run.status}; its report comes when it has ended.")
    evaluation = run.evaluation_job
    if evaluation is not None and evaluation.status in states.ACTIVE:
        raise Conflict(f"The run is {run.status}; what it had learned is being evaluated.")
    raise Conflict(f"The run {run.status} without a model, so there is no report.")
