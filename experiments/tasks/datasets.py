"""Jobs of datasets: read a file, fetch one from a source, look at a target; in the child process."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from django.conf import settings

from assets.storage import adopt_file, blob_path
from experiments.data import bundled, nasa
from experiments.data.diff import diff_tables
from experiments.data.profiling import profile
from experiments.data.reading import ingest as read_file
from experiments.data.specs import DatasetSchema, EngineError, IngestResult
from experiments.data.targets import analyse_target as analyse
from experiments.models import Dataset, DatasetVersion
from experiments.services import ingest as steps
from experiments.services import target_analysis
from experiments.services.read_options import engine_options
from platform_site.accounts.models import User
from platform_site.core.errors import NotFound
from platform_site.jobs.child_main import Paused, Stopped
from platform_site.jobs.context import JobContext

# Where each stage lies within the whole: read 0–0.6, profile –0.9, compare –0.97, store –1.
READ_END: Final = 0.6
PROFILE_END: Final = 0.9
COMPARE_END: Final = 0.97
ANALYSE_AT_ONCE_CELLS: Final = 5_000_000
ANALYSE_AT_ONCE_COLUMNS: Final = 300


@dataclass
class Track:
    """Progress of the part of the job that lies between `low` and `high`."""

    context: JobContext
    low: float
    high: float

    def __call__(self, fraction: float, stage: str) -> None:
        """Report the engine's own 0…1."""
        self.context.report(stage, self.low + (self.high - self.low) * fraction)

    def should_stop(self) -> bool:
        """Whether the engine should end early."""
        return self.context.should_stop() is not None


def ingest(context: JobContext) -> dict[str, Any]:
    """Read a version's bytes into a typed, profiled table."""
    _tell_progress(context, context.payload)
    version = steps.version_to_read(context.payload["version"])
    return _stoppable(context, lambda: _ingest_version(context, version, low=0.0))


def fetch(context: JobContext) -> dict[str, Any]:
    """Fetch a table from its source, then read it."""
    _tell_progress(context, context.payload)
    return _stoppable(context, lambda: _fetch_and_ingest(context))


def analyse_target(context: JobContext) -> dict[str, Any]:
    """Look at one column as a target."""
    analysis = target_analysis.analysis_to_make(context.payload["analysis"])
    if analysis is None:
        raise NotFound("This analysis was thrown away.")
    context.report("analysing", 0.1)
    table, schema = _table_of(analysis.version)
    result = analyse(table, schema, analysis.target)
    context.write(lambda: target_analysis.complete_analysis(analysis_id=analysis.pk, result=result))
    return {"target": analysis.target}


def _stoppable(context: JobContext, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return work()
    except EngineError as error:
        wish = context.should_stop()
        if error.code != "stopped" or wish is None:
            raise
        raise (Paused() if wish == "pause" else Stopped()) from error


def _tell_progress(context: JobContext, payload: dict[str, Any]) -> None:
    def flush(shown: dict[str, Any], _items: list[Any]) -> None:
        if "stage" in shown:
            fraction = shown["progress_percent"] / 100.0
            steps.tell_progress(payload, stage=shown["stage"], fraction=fraction)

    context.on_flush = flush


def _fetch_and_ingest(context: JobContext) -> dict[str, Any]:
    draft = context.work_dir / "fetched"
    track = Track(context, 0.0, 0.3)
    file_name = _download(context.payload, draft, track)
    stored = adopt_file(draft)
    person = User.objects.get(pk=context.payload["by"])
    version: DatasetVersion = context.write(
        lambda: steps.attach_fetched(
            dataset_id=context.payload["dataset"],
            stored=stored,
            file_name=file_name,
            job_id=context.job_id,
            by=person,
        )
    )
    _tell_progress(context, {**context.payload, "number": version.number})
    return _ingest_version(context, steps.version_to_read(version.pk), low=0.3)


def _download(payload: dict[str, Any], draft: Path, track: Track) -> str:
    key = payload["source_key"]
    track(0.0, "fetching")
    if payload["source"] == Dataset.Source.NASA:
        nasa.download_table(
            key,
            draft,
            service_url=settings.NASA_TAP_URL,
            on_progress=track,
            should_stop=track.should_stop,
        )
        return f"nasa_{key}.csv"
    bundled.write_bundled(key, draft)
    return f"{key}.csv"


def _ingest_version(context: JobContext, version: DatasetVersion, *, low: float) -> dict[str, Any]:
    answer = {"dataset": version.dataset_id, "version": version.number}
    if version.status == DatasetVersion.Status.READY:
        return answer  # a worker died between the last write and saying so, or nothing changed
    table = context.work_dir / "table.parquet"
    span = 1.0 - low
    result = _read(version, table, Track(context, low, low + span * READ_END))
    found = profile(
        table,
        result.schema,
        on_progress=(track := Track(context, low + span * READ_END, low + span * PROFILE_END)),
        should_stop=track.should_stop,
    )
    context.report("comparing", low + span * PROFILE_END)
    difference = _difference(version, table, result.schema)
    analysis = _guessed_target(table, result, found.get("target_guess"))
    context.report("storing", low + span * COMPARE_END)
    reading = steps.Reading(
        table=adopt_file(table),
        table_schema=result.schema.to_json(),
        n_rows=result.n_rows,
        n_columns=result.n_columns,
        report=result.report,
        profile=found,
        difference=difference,
        target_analysis=analysis,
    )
    context.write(lambda: steps.complete_version(version_id=version.pk, reading=reading))
    return {**answer, "n_rows": result.n_rows, "n_columns": result.n_columns}


def _read(version: DatasetVersion, table: Path, track: Track) -> IngestResult:
    return read_file(
        blob_path(version.blob.sha256),
        file_name=version.file_name,
        table_path=table,
        options=engine_options(version.read_options),
        on_progress=track,
        should_stop=track.should_stop,
    )


def _guessed_target(table: Path, result: IngestResult, guess: str | None) -> dict[str, Any] | None:
    """Look at the likely target right away, if the table is small enough to do it in passing."""
    n_columns = result.n_columns
    is_large = n_columns > ANALYSE_AT_ONCE_COLUMNS or (
        result.n_rows * n_columns > ANALYSE_AT_ONCE_CELLS
    )
    if guess is None or is_large:
        return None
    try:
        return analyse(table, result.schema, guess)
    except EngineError:
        return None  # a guess that cannot be learnt is no reason to refuse the file


def _difference(
    version: DatasetVersion, table: Path, schema: DatasetSchema
) -> dict[str, Any] | None:
    previous = steps.previous_ready_version(version)
    if previous is None:
        return None
    old_table, old_schema = _table_of(previous)
    found = diff_tables(old_table, old_schema, table, schema)
    return {**found, "previous": previous.number}


def _table_of(version: DatasetVersion) -> tuple[Path, DatasetSchema]:
    if version.table_blob is None or version.table_schema is None:
        raise NotFound(f"Version {version.number} has no table.")
    return blob_path(version.table_blob.sha256), DatasetSchema.from_json(version.table_schema)
