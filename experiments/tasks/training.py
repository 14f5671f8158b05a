"""The work of a training's job, in its child process: learn, evaluate, explain, package, record."""

import functools
import os
import platform
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from django.conf import settings

from assets.storage import StoredBytes, adopt_file, blob_path, write_blob
from experiments import packaging
from experiments.data.specs import DatasetSchema, EngineError
from experiments.models import DatasetVersion, Run
from experiments.services.run_progress import ProgressRecorder
from experiments.services.runs import TrainingResult, record_environment, record_result
from experiments.services.training_requests import leak_notes, schema_of
from experiments.training.specs import TrainingSpec
from platform_site.jobs import states
from platform_site.jobs.child_main import Paused, Stopped
from platform_site.jobs.child_process import threads_per_job, work_dir_of
from platform_site.jobs.claims import host_name
from platform_site.jobs.context import JobContext, Wish
from platform_site.jobs.outcome import Outcome, write_outcome

# Share of the whole that each stage has behind it when it begins, and its width.
STAGES: Final[dict[str, tuple[float, float]]] = {
    "loading": (0.0, 0.02),
    "preparing": (0.02, 0.02),
    "fitting": (0.04, 0.76),
    "saving": (0.80, 0.02),
    "evaluating": (0.82, 0.05),
    "importance": (0.87, 0.05),
    "explaining": (0.92, 0.05),
    "packaging": (0.97, 0.03),
}
RECORDED_PACKAGES: Final = (
    "scikit-learn", "numpy", "scipy", "pandas", "pyarrow", "shap", "skops", "django",
)  # fmt: skip
INTERRUPTED: Final = "evaluation_interrupted"


def train(context: JobContext) -> dict[str, Any]:
    """Train, evaluate and package the run of the payload; return the job's result."""
    inputs = load_inputs(context.payload["run"], context.work_dir)
    hooks = ContextHooks(context, inputs.run)
    _note_environment(context, inputs.run)
    from experiments.training import engine

    cpu_before_s = time.process_time()
    with _time_limit(context, inputs.spec):
        outcome = engine.train(
            inputs.spec,
            inputs.table_path,
            inputs.schema,
            work_dir=inputs.work_dir,
            hooks=hooks,
            test_table=inputs.test_table,
        )
    context.log(
        f"learned {outcome.units_done} of {outcome.units_total} units in {outcome.fit_wall_s:.2f} s;"
        f" {time.process_time() - cpu_before_s:.2f} s of CPU with loading"
    )
    if outcome.status == "paused":
        raise Paused
    if outcome.status == "stopped":
        raise Stopped({"units_done": outcome.units_done, "units_total": outcome.units_total})
    return evaluate_and_record(context, inputs, hooks, list(outcome.notes))


@contextmanager
def _time_limit(context: JobContext, spec: TrainingSpec) -> Iterator[None]:
    """End this process when a model type that learns in one go outlasts its time limit.

    The others end by themselves between two steps and keep what they learned.
    """
    if spec.time_limit_s is None or spec.model.strategy != "oneshot":
        yield
        return
    timer = threading.Timer(spec.time_limit_s, _end_for_time, (context, spec.time_limit_s))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _end_for_time(context: JobContext, limit_s: float) -> None:
    message = (
        f"Learning took longer than the time limit of {limit_s:g} s. This model type learns in one"
        " go, so nothing is kept: allow more time, fewer rows or choose another type."
    )
    outcome = Outcome(status=states.FAILED, error_code="time_limit", error_message=message)
    write_outcome(context.work_dir, outcome)
    os._exit(0)


def evaluate_stopped(context: JobContext) -> dict[str, Any]:
    """Evaluate and package what a stopped training had learned."""
    inputs = load_inputs(context.payload["run"], work_dir_of(context.payload["training_job"]))
    hooks = ContextHooks(context, inputs.run)
    from experiments.training import engine

    learned = engine.salvage(
        inputs.spec,
        inputs.table_path,
        inputs.schema,
        work_dir=inputs.work_dir,
        hooks=hooks,
        test_table=inputs.test_table,
    )
    if not learned:
        context.log("The run was stopped before anything was learned.")
        return {"evaluated": False}
    return evaluate_and_record(context, inputs, hooks, [])


@dataclass(frozen=True)
class TrainingInputs:
    """What the engines work on."""

    run: Run
    version: DatasetVersion
    spec: TrainingSpec
    schema: DatasetSchema
    table_path: Path
    test_table: Path | None
    work_dir: Path


def load_inputs(run_id: int, work_dir: Path) -> TrainingInputs:
    """Return the run with its specification, schema and tables."""
    run = Run.objects.select_related(
        "created_by",
        "dataset_version__blob",
        "dataset_version__table_blob",
        "dataset_version__dataset",
        "test_version__table_blob",
    ).get(pk=run_id)
    table = run.dataset_version
    assert table is not None and table.table_blob is not None  # noqa: S101, PT018  # checked at start
    test = run.test_version.table_blob if run.test_version is not None else None
    return TrainingInputs(
        run=run,
        version=table,
        spec=replace(TrainingSpec.from_json(run.spec), n_threads=threads_per_job()),
        schema=schema_of(table),
        table_path=blob_path(table.table_blob.sha256),
        test_table=None if test is None else blob_path(test.sha256),
        work_dir=work_dir,
    )


def evaluate_and_record(
    context: JobContext, inputs: TrainingInputs, hooks: "ContextHooks", notes: list[str]
) -> dict[str, Any]:
    """Evaluate, package and record, under the job's fence; return the job's result."""
    report = _evaluate(inputs, hooks)
    hooks.stage("packaging", 0.0)
    manifest, card, model, beside = _package(inputs, report.result, context.fence)
    found = [
        *leak_notes(inputs.version, inputs.spec.target, inputs.spec.features),
        *notes,
        *report.result.get("notes", []),
    ]
    outcome = TrainingResult(
        result=report.result,
        manifest=manifest,
        model=model,
        predictions=adopt_file(report.predictions_path),
        card=card,
        notes=list(dict.fromkeys(found)),
        beside=beside,
    )
    context.write(lambda: record_result(inputs.run, outcome))
    return {"evaluated": True}


def _evaluate(inputs: TrainingInputs, hooks: "ContextHooks") -> Any:
    from experiments.training import evaluation

    try:
        return evaluation.evaluate(
            inputs.spec,
            inputs.table_path,
            inputs.schema,
            work_dir=inputs.work_dir,
            hooks=hooks,
            test_table=inputs.test_table,
        )
    except EngineError as error:
        if error.code != INTERRUPTED:
            raise
        raise (Paused() if error.details.get("wish") == "pause" else Stopped()) from error


def _package(
    inputs: TrainingInputs, result: dict[str, Any], fence: int
) -> tuple[dict[str, Any], str, StoredBytes, dict[str, StoredBytes]]:
    """Return manifest, model card, the stored model file and what lies beside it."""
    draft = inputs.work_dir / f"model.{fence}.skops"
    manifest = packaging.packager()(
        inputs.spec,
        inputs.table_path,
        inputs.schema,
        work_dir=inputs.work_dir,
        model_path=draft,
        dataset_sha256=inputs.version.blob.sha256,
        result=result,
    )
    card = packaging.card_writer()(
        manifest,
        result,
        dataset_name=inputs.version.dataset.name,
        dataset_version=inputs.version.number,
        author=str(inputs.run.created_by),
        dataset_warnings=(inputs.version.profile or {}).get("warnings", []),
    )
    texts = packaging.files_beside()(manifest, draft, run_uuid=inputs.run.uuid)
    beside = {name: write_blob([text.encode()]) for name, text in texts.items()}
    return manifest, card, adopt_file(draft), beside


class ContextHooks:
    """The engine's hooks over a job's context: stages become one percentage."""

    def __init__(self, context: JobContext, run: Run) -> None:
        self._context = context
        self._recorder = ProgressRecorder(run)
        context.on_flush = self._recorder
        self._logged_stage = ""

    def stage(self, name: str, fraction: float) -> None:
        """Report a stage."""
        start, width = STAGES.get(name, (0.04, 0.0))
        if name != self._logged_stage:
            self._logged_stage = name
            self._context.log(f"stage: {name}")
        self._context.report(name, start + width * min(1.0, max(0.0, fraction)))

    def metrics(self, step: int, values: dict[str, float]) -> None:
        """Report points of the curves."""
        self._context.add((step, values))

    def progress(self, units_done: int, units_total: int, eta_s: float | None) -> None:
        """Report units of learning."""
        self._recorder.units = (units_done, units_total)
        start, width = STAGES["fitting"]
        self._context.report("fitting", start + width * units_done / max(1, units_total), eta_s)

    def log(self, line: str) -> None:
        """Report a line."""
        self._context.log(line)

    def should_stop(self) -> Wish | None:
        """Return the wish of the people."""
        return self._context.should_stop()


def _note_environment(context: JobContext, run: Run) -> None:
    environment = {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cpu_count": os.cpu_count(),
        "threads": threads_per_job(),
        "packages": {name: _version(name) for name in RECORDED_PACKAGES},
    }
    context.write(
        lambda: record_environment(
            run, environment=environment, host=host_name(), code_version=code_version()
        )
    )


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


@functools.cache
def code_version() -> str:
    """Return the product's version, with the git commit where it runs from a checkout."""
    base = str(settings.VERSION)
    git = ["git", "-C", str(settings.BASE_DIR), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        done = subprocess.run(git, capture_output=True, text=True, timeout=5, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return base
    return f"{base}+{done.stdout.strip()}" if done.returncode == 0 else base
