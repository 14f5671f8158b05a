"""The work of predicting a whole file, in a job's child process."""

from typing import Any

from assets.storage import adopt_file, blob_path
from experiments.data.specs import EngineError
from experiments.services.read_options import engine_options
from platform_site.events.publish import publish
from platform_site.jobs.child_main import Paused, Stopped
from platform_site.jobs.context import JobContext
from platform_site.jobs.models import Job
from registry.models import PredictionBatch
from registry.services.predictions import own_model, progress_event, record_output

READ_SHARE = 0.4


def predict(context: JobContext) -> dict[str, Any]:
    """Read the file of the payload, predict its rows in pieces, keep them; return the row count."""
    from experiments.data.reading import ingest
    from registry.serving.predict import predict_file

    batch = PredictionBatch.objects.select_related("version__model_blob", "input_blob").get(
        pk=context.payload["batch"]
    )
    blob, manifest = own_model(batch.version)
    context.on_flush = lambda _shown, _items: _tell(context.job_id)
    table = context.work_dir / f"input.{context.fence}.parquet"
    output = context.work_dir / f"output.{context.fence}.parquet"

    def wished() -> bool:
        return context.should_stop() is not None

    try:
        read = ingest(
            blob_path(batch.input_blob.sha256),
            file_name=batch.file_name,
            table_path=table,
            options=engine_options({}),
            on_progress=lambda fraction, _: context.report("reading", READ_SHARE * fraction),
            should_stop=wished,
        )
        done = predict_file(
            blob_path(blob.sha256),
            manifest,
            table,
            read.schema,
            output,
            lambda fraction, _: context.report(
                "predicting", READ_SHARE + (1 - READ_SHARE) * fraction
            ),
            wished,
        )
    except EngineError as error:
        wish = context.should_stop()
        if wish is None:
            raise
        raise (Paused() if wish == "pause" else Stopped()) from error
    finally:
        table.unlink(missing_ok=True)
    stored = adopt_file(output)
    context.write(lambda: record_output(batch, stored=stored, n_rows=done["n_rows"]))
    return {"n_rows": done["n_rows"], "warnings": done["warnings"]}


def _tell(job_id: int) -> None:
    job = Job.objects.get(pk=job_id)
    publish(job.topic, progress_event(job))
