"""Fills an installation with many rows: one real dataset, run and model, made by the services, multiplied."""

import csv
import io
import random
import uuid
from dataclasses import dataclass
from itertools import product

from assets.models import Blob
from experiments.models import (
    Assessment,
    Dataset,
    DatasetVersion,
    Experiment,
    Run,
    RunParam,
    RunReport,
    Span,
    Trace,
    TraceRun,
)
from experiments.services.runs import start_training
from experiments.services.training_requests import TrainingRequest
from experiments.tracking.keys import key_ids
from experiments.tracking.points import append_points
from platform_site.accounts.models import ApiToken, Membership, Project, User
from platform_site.core.clock import now
from platform_site.core.transactions import write_transaction
from platform_site.events.models import Event, Topic
from platform_site.jobs.models import Job, JobLogLine
from registry.models import ModelVersion, PredictionBatch, RegisteredModel
from registry.services.versions import register_run
from tests.experiments.dataset_help import do_job, ready_version

BATCH = 500
MODEL_TYPES = ("hist_gradient_boosting", "random_forest", "logistic_regression", "mlp", "svm")
WORDS = ("transit", "radius", "period", "depth", "stellar", "baseline", "grouped", "quick")


@dataclass(frozen=True)
class Original:
    """One of each, made the way people make them."""

    project: Project
    by: User
    version: DatasetVersion
    run: Run
    model_version: ModelVersion
    trace: Trace


@dataclass(frozen=True)
class Amounts:
    """How many copies of each to make."""

    runs: int = 0
    datasets: int = 0
    versions: int = 1
    models: int = 0
    model_versions: int = 1
    params: int = 8
    steps: int = 10
    log_lines: int = 3
    reports_every: int = 1


def table_bytes(n_columns: int, n_rows: int) -> bytes:
    """Return a CSV with numbers, some of them missing, a category and a target of three classes."""
    draw = random.Random(7)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["colour", *(f"measure_{i}" for i in range(n_columns - 2)), "kind"])
    for _ in range(n_rows):
        numbers = [draw.gauss(0.0, 1.0 + i % 5) for i in range(n_columns - 2)]
        kind = "planet" if numbers[0] > 0.5 else ("star" if numbers[1] > 0 else "dust")
        shown = ["" if draw.random() < 0.02 else f"{number:.6f}" for number in numbers]
        writer.writerow([draw.choice(("red", "green", "blue")), *shown, kind])
    return text.getvalue().encode()


def make_original(
    project: Project,
    by: User,
    *,
    n_columns: int = 4,
    n_rows: int = 90,
    model_type: str = "decision_tree",
) -> Original:
    """Upload a table, train on it and register the model; the jobs' work is done in this process."""
    version = ready_version(
        project, by, table_bytes(n_columns, n_rows), name="Original", file_name="original.csv"
    )
    request = TrainingRequest(
        version=version, target="kind", model_type=model_type, name="Original"
    )
    run = start_training(project=project, by=by, request=request)
    do_job(run.job)
    run.refresh_from_db()
    model_version = register_run(run=run, name="original model", by=by)
    trace = _trace_of(run, "original")
    return Original(project, by, version, run, model_version, trace)


def _trace_of(run: Run, name: str) -> Trace:
    """Return a new trace of the run with a span and a feedback."""
    trace = Trace.objects.create(
        trace_id=f"tr-{uuid.uuid4().hex}", experiment_id=run.experiment_id, name=name, request_ms=1
    )
    TraceRun.objects.create(trace=trace, run=run)
    Span.objects.create(trace=trace, span_id=uuid.uuid4().hex[:16], name=name, start_ns=1, end_ns=2)
    Assessment.objects.create(
        assessment_id=f"a-{uuid.uuid4().hex}", trace=trace, name="useful", kind="feedback",
        source_type="HUMAN", body={"value": True}, created_ms=1, updated_ms=1,
    )  # fmt: skip
    return trace


def multiply(original: Original, amounts: Amounts) -> None:
    """Add rows that differ in what lists show and equal the original in all that is bulky."""
    draw = random.Random(Run.objects.count())
    _multiply_datasets(original, amounts)
    versions = list(DatasetVersion.objects.only("id", "dataset_id").order_by("-id")[:200])
    for first in range(0, amounts.runs, BATCH):
        numbers = range(first, min(amounts.runs, first + BATCH))
        with write_transaction():
            _add_runs(original, amounts, numbers, draw, versions)
    _multiply_models(original, amounts)


def deepen(original: Original, n: int) -> None:
    """Add n rows of everything that the originals' own pages list."""
    moment, run = now(), original.run
    with write_transaction():
        dataset = original.version.dataset
        newest = dataset.versions.order_by("-number").first()
        jobs = _jobs(original.version.job, [f"dataset:{dataset.pk}"] * n)
        copies = zip(_blobs(n), jobs, strict=True)
        DatasetVersion.objects.bulk_create(
            _copy(original.version, number=newest.number + i, blob=blob, job=job)
            for i, (blob, job) in enumerate(copies, start=1)
        )
        draw = random.Random(n)
        runs = _add_runs(original, Amounts(), range(n), draw, [original.version])
        already = original.model_version.model.versions.count()
        ModelVersion.objects.bulk_create(
            _copy(original.model_version, number=already + i, run=one)
            for i, one in enumerate(runs, start=1)
        )
        _batches(original, n)
        stamp = _stamp()
        ids = key_ids(f"{stamp}{i}" for i in range(n))
        RunParam.objects.bulk_create(
            RunParam(run=run, key_id=one, value="1") for one in ids.values()
        )
        for i in range(n):
            _trace_of(run, f"{stamp}{i}")
        append_points(run.pk, [(f"{stamp}{i}", i, 0, 0.5) for i in range(n)])
        last = run.job.log_lines.count() + 1000
        JobLogLine.objects.bulk_create(
            JobLogLine(job=run.job, number=last + i, text=f"line {i}", at=moment) for i in range(n)
        )
        _people(original, n)


def _batches(original: Original, n: int) -> None:
    blob = _blobs(1)[0]
    done = original.run.report.predictions_blob
    pattern = Job.objects.get(pk=original.run.job_id)
    jobs = Job.objects.bulk_create(
        _copy(pattern, topic="", kind="models.predict") for _ in range(n)
    )
    PredictionBatch.objects.bulk_create(
        PredictionBatch(
            version=original.model_version, job=job, file_name=f"night {i}.csv", input_blob=blob,
            output_blob=done, created_by=original.by, created_at=now(),
        )
        for i, job in enumerate(jobs)
    )  # fmt: skip


def _people(original: Original, n: int) -> None:
    stamp = _stamp()
    users = User.objects.bulk_create(User(username=f"{stamp}{i}", password="!") for i in range(n))
    projects = Project.objects.bulk_create(
        Project(name=f"P {stamp}{i}", slug=f"p{stamp}{i}") for i in range(n)
    )
    role = Membership.Role.VIEWER
    Membership.objects.bulk_create(
        [Membership(project=original.project, user=user, role=role) for user in users]
        + [Membership(project=project, user=original.by, role=role) for project in projects]
    )
    ApiToken.objects.bulk_create(
        ApiToken(user=original.by, digest=f"{stamp}{i}", token_key=f"{stamp}{i}") for i in range(n)
    )


def _stamp() -> str:
    return uuid.uuid4().hex[:8]


def _blobs(n: int) -> list[Blob]:
    return Blob.objects.bulk_create(
        Blob(sha256=uuid.uuid4().hex * 2, size_bytes=1_000_000, created_at=now()) for _ in range(n)
    )


def _multiply_datasets(original: Original, amounts: Amounts) -> None:
    for first in range(0, amounts.datasets, BATCH):
        n = min(BATCH, amounts.datasets - first)
        with write_transaction():
            sets = Dataset.objects.bulk_create(
                Dataset(
                    project=original.project, created_by=original.by, created_at=now(),
                    name=f"{WORDS[i % len(WORDS)]} survey {first + i} {_stamp()}",
                    description=f"Observations of season {i % 40}, as delivered.",
                )
                for i in range(n)
            )  # fmt: skip
            _add_versions(original, sets, amounts.versions)


def _add_versions(original: Original, sets: list[Dataset], each: int) -> None:
    pairs = list(product(sets, range(1, each + 1)))
    blobs = _blobs(len(pairs))
    jobs = _jobs(original.version.job, [f"dataset:{dataset.pk}" for dataset, _ in pairs])
    DatasetVersion.objects.bulk_create(
        (
            _copy(original.version, dataset=dataset, number=number, blob=blob, job=job)
            for (dataset, number), blob, job in zip(pairs, blobs, jobs, strict=True)
        ),
        batch_size=50,
    )


def _jobs(pattern: Job, topics: list[str]) -> list[Job]:
    return Job.objects.bulk_create(_copy(pattern, topic=topic) for topic in topics)


def _copy(pattern, **changes):
    """Return an unsaved copy of a row with other values for some fields."""
    values = {
        field.attname: getattr(pattern, field.attname)
        for field in pattern._meta.concrete_fields
        if not field.primary_key
    }
    copy = type(pattern)(**values)
    for name, value in changes.items():
        setattr(copy, name, value)
    return copy


def _add_runs(
    original: Original,
    amounts: Amounts,
    numbers: range,
    draw: random.Random,
    versions: list[DatasetVersion],
) -> list[Run]:
    experiment = Experiment.objects.get(pk=original.run.experiment_id)
    pattern = Run.objects.select_related("job").get(pk=original.run.pk)
    ids = [uuid.uuid4().hex for _ in numbers]
    jobs = _jobs(pattern.job, [f"run:{one}" for one in ids])
    runs = Run.objects.bulk_create(
        (
            _copy(
                pattern, uuid=one, job=job, experiment=experiment, register_as="",
                name=f"{draw.choice(WORDS)} {draw.choice(WORDS)} {number}",
                model_type=MODEL_TYPES[number % len(MODEL_TYPES)],
                dataset_version=versions[number % len(versions)],
                headline_value=draw.random(),
                status="failed" if number % 20 == 0 else "completed",
            )
            for one, job, number in zip(ids, jobs, numbers, strict=True)
        ),
        batch_size=100,
    )  # fmt: skip
    _add_details(original, amounts, runs, draw)
    return runs


def _add_details(
    original: Original, amounts: Amounts, runs: list[Run], draw: random.Random
) -> None:
    moment = now()
    ids = key_ids(f"param_{i}" for i in range(amounts.params))
    RunParam.objects.bulk_create(
        RunParam(run=run, key_id=one, value=str(draw.random()))
        for run, one in product(runs, ids.values())
    )
    for run in runs:
        series = product(("train_loss", "valid_loss"), range(amounts.steps))
        append_points(run.pk, [(key, step, 0, draw.random()) for key, step in series])
    JobLogLine.objects.bulk_create(
        JobLogLine(job=run.job, number=i + 1, text=f"stage {i}", at=moment)
        for run, i in product(runs, range(amounts.log_lines))
    )
    report = RunReport.objects.get(run=original.run)
    RunReport.objects.bulk_create(
        (_copy(report, run=run) for run in runs[:: amounts.reports_every]), batch_size=50
    )
    topics = Topic.objects.bulk_create(Topic(key=f"run:{run.uuid}", head=2) for run in runs)
    Event.objects.bulk_create(
        Event(topic=topic, seq=seq, kind="run.log", data='{"lines":[]}', at=moment)
        for topic, seq in product(topics, (1, 2))
    )


def _multiply_models(original: Original, amounts: Amounts) -> None:
    runs = list(
        Run.objects.exclude(pk=original.run.pk).only("id").order_by("-id")[: amounts.model_versions]
    ) or [original.run]
    pattern = ModelVersion.objects.get(pk=original.model_version.pk)
    for first in range(0, amounts.models, BATCH):
        with write_transaction():
            models = RegisteredModel.objects.bulk_create(
                RegisteredModel(
                    project=original.project, created_by=original.by,
                    created_at=now(), updated_at=now(),
                    name=f"{WORDS[i % len(WORDS)]}-{first + i}-{_stamp()}",
                )
                for i in range(min(BATCH, amounts.models - first))
            )  # fmt: skip
            ModelVersion.objects.bulk_create(
                (
                    _copy(pattern, model=model, number=number, run=run)
                    for model in models
                    for number, run in enumerate(runs, start=1)
                ),
                batch_size=100,
            )
