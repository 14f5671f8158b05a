"""Predictions of stored models: a few rows at once, whole tables as a job, reasons on demand."""

import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from experiments.data.export import safe_table
from experiments.data.loading import frame_from_table, load_frame
from experiments.data.specs import DatasetSchema, EngineError
from experiments.training.explain import ExplainerState, explain
from experiments.training.frames import clean_features
from experiments.training.jsonable import to_json
from experiments.training.predicting import Predicted, predict_frame
from experiments.training.predictions import probability_texts
from experiments.training.reasons import TOP_REASONS, FeatureWords, row_reasons
from registry.serving.input_rows import check_table_columns, frame_from_rows
from registry.serving.persistence import LoadedModel, load_model
from registry.serving.specs import (
    INPUT_MISMATCH,
    MAX_EXPLAINED_ROWS,
    MAX_INSTANT_ROWS,
    InputContract,
)

MAX_CACHED_MODELS = 4
FILE_CHUNK_ROWS = 20_000
STOPPED = "prediction_stopped"

# Paths are content-addressed, so a cached model can never be stale.
_cache: OrderedDict[tuple[str, str], LoadedModel] = OrderedDict()
_lock = threading.Lock()


def cached_model(path: Path, manifest: Mapping[str, Any]) -> LoadedModel:
    """Return a loaded model, kept for the next call (the four used last).

    Raises:
        EngineError: `model_not_loadable`.
    """
    key = (str(path), str(manifest.get("sha256")))
    with _lock:
        model = _cache.pop(key, None)
        if model is None:
            model = load_model(path, manifest)
        _cache[key] = model
        while len(_cache) > MAX_CACHED_MODELS:
            _cache.popitem(last=False)
        return model


def clear_cache() -> None:
    """Forget every loaded model."""
    with _lock:
        _cache.clear()


def predict_rows(payload: dict[str, Any]) -> dict[str, Any]:
    """Return predictions for at most 1,000 typed rows (engine-host call).

    Args:
        payload: `model_path`, `manifest`, `rows` (`[{column: value}]`, columns by name in any
            order, null where the column may be empty) and optionally `explain` (at most 20 rows).

    Returns:
        `{"predictions": [{"prediction", "confidence", "probabilities", "reasons"?}], "warnings"}`.

    Raises:
        EngineError: `input_schema_mismatch`, `too_many_rows`, `model_not_loadable`.
    """
    manifest, rows = payload["manifest"], payload["rows"]
    wants_reasons = bool(payload.get("explain"))
    most = MAX_EXPLAINED_ROWS if wants_reasons else MAX_INSTANT_ROWS
    if isinstance(rows, list) and len(rows) > most:
        what = "explained" if wants_reasons else "predicted"
        raise EngineError(
            "too_many_rows",
            f"At most {most:,} rows are {what} at once; send a file for more.",
            max_rows=most,
            n_rows=len(rows),
        )
    contract = InputContract.from_manifest(manifest)
    frame = clean_features(frame_from_rows(rows, contract), contract.names)
    model = cached_model(Path(payload["model_path"]), manifest)
    said, answers = _answers(model, frame)
    if wants_reasons:
        for answer, found in zip(answers, _reasons(model, frame, said), strict=True):
            answer["reasons"] = found
    clean: dict[str, Any] = to_json({"predictions": answers, "warnings": model.warnings})
    return clean


def explain_rows(payload: dict[str, Any]) -> dict[str, Any]:
    """Return predictions with reasons for stored rows of a table (engine-host call).

    Args:
        payload: `model_path`, `manifest`, `table_path`, `schema`, `row_numbers` (at most 20) and
            optionally `top` (how many reasons a row gets).

    Returns:
        `{"method", "results": [{"row", "prediction", "confidence", "probabilities", "reasons"}]}`.

    Raises:
        EngineError: `input_schema_mismatch`, `too_many_rows`, `model_not_loadable`.
    """
    manifest, numbers = payload["manifest"], list(payload["row_numbers"])
    if len(numbers) > MAX_EXPLAINED_ROWS:
        raise EngineError(
            "too_many_rows",
            f"At most {MAX_EXPLAINED_ROWS} rows are explained at once.",
            max_rows=MAX_EXPLAINED_ROWS,
        )
    schema = DatasetSchema.from_json(payload["schema"])
    contract = InputContract.from_manifest(manifest)
    check_table_columns({column.name: column.type for column in schema.columns}, contract)
    raw = load_frame(
        Path(payload["table_path"]), schema, columns=contract.names, rows=np.asarray(numbers)
    )
    frame = clean_features(raw.reset_index(drop=True), contract.names)
    model = cached_model(Path(payload["model_path"]), manifest)
    said, answers = _answers(model, frame)
    found = _reasons(model, frame, said, top=int(payload.get("top", TOP_REASONS)))
    results = [
        {"row": number, **answer, "reasons": row}
        for number, answer, row in zip(numbers, answers, found, strict=True)
    ]
    method = _explainer_state(manifest).method
    clean: dict[str, Any] = to_json({"method": method, "results": results})
    return clean


def predict_file(
    model_path: Path,
    manifest: Mapping[str, Any],
    table_path: Path,
    schema: DatasetSchema,
    out_path: Path,
    on_progress: Callable[[float, str], None],
    should_stop: Callable[[], bool],
) -> dict[str, Any]:
    """Predict a whole stored table in pieces and write a Parquet file beside its columns.

    Columns: row, prediction, confidence, probabilities (JSON), then the table's own columns (one
    that bears a name of ours gets the prefix "input_").

    Args:
        model_path: the stored model.
        manifest: its manifest.
        table_path: typed Parquet table, as the data engine writes it.
        schema: of the table.
        out_path: where the predictions go; written atomically.
        on_progress: told the fraction done and the stage.
        should_stop: asked between pieces.

    Returns:
        `{"n_rows", "ignored_columns", "warnings", "columns"}`.

    Raises:
        EngineError: `input_schema_mismatch` before anything is computed, `prediction_stopped`,
            `model_not_loadable`.
    """
    contract = InputContract.from_manifest(manifest)
    types = {column.name: column.type for column in schema.columns}
    unused = check_table_columns(types, contract)
    model = cached_model(model_path, manifest)
    source = pq.ParquetFile(table_path)
    n_rows = source.metadata.num_rows
    if n_rows == 0:
        raise EngineError(INPUT_MISMATCH, "The file has no rows.", columns=[])
    temporary = out_path.with_name(out_path.name + ".part")
    done = 0
    writer: pq.ParquetWriter | None = None
    try:
        for batch in source.iter_batches(batch_size=FILE_CHUNK_ROWS):
            if should_stop():
                raise EngineError(STOPPED, "The prediction was stopped.", rows_done=done)
            piece = _file_piece(model, contract, batch, schema, done)
            writer = writer or pq.ParquetWriter(temporary, piece.schema, compression="zstd")
            writer.write_table(piece)
            done += batch.num_rows
            on_progress(done / n_rows, "predicting")
        if writer is not None:
            writer.close()
        temporary.replace(out_path)
    finally:
        source.close()
        if writer is not None:
            writer.close()
        temporary.unlink(missing_ok=True)
    return {
        "n_rows": done,
        "ignored_columns": unused,
        "warnings": model.warnings,
        "columns": pq.read_schema(out_path).names,
    }


def export_file(payload: dict[str, Any]) -> dict[str, Any]:
    """Write the output of `predict_file` as CSV that no spreadsheet executes (engine-host call).

    Args:
        payload: `path` (the Parquet file) and `out_path`.

    Returns:
        `{"n_rows"}`.
    """
    n_rows = 0
    source = pq.ParquetFile(payload["path"])
    head = safe_table(_plain_strings(source.schema_arrow.empty_table()))
    with pacsv.CSVWriter(payload["out_path"], head.schema) as writer:
        for batch in source.iter_batches(batch_size=FILE_CHUNK_ROWS):
            writer.write_table(safe_table(_plain_strings(pa.Table.from_batches([batch]))))
            n_rows += batch.num_rows
    source.close()
    return {"n_rows": n_rows}


def _plain_strings(table: pa.Table) -> pa.Table:
    """Return the table with every kind of text as plain strings, the kind that is made safe."""
    fields = [
        field.with_type(pa.string()) if pa.types.is_large_string(field.type) else field
        for field in table.schema
    ]
    return table.cast(pa.schema(fields))


def _file_piece(
    model: LoadedModel,
    contract: InputContract,
    batch: pa.RecordBatch,
    schema: DatasetSchema,
    start: int,
) -> pa.Table:
    numbers = np.arange(start, start + batch.num_rows)
    raw = frame_from_table(pa.Table.from_batches([batch]), schema, contract.names)
    frame = clean_features(raw, contract.names)
    said, prediction = _predicted(model, frame)
    classes = model.manifest.get("classes")
    confidence = None if said.probabilities is None else said.probabilities.max(axis=1)
    texts = probability_texts(said.probabilities, classes)
    empty = [None] * len(frame)
    columns = {
        "row": pa.array(numbers, pa.int64()),
        "prediction": pa.array(prediction, pa.float64() if classes is None else pa.string()),
        "confidence": pa.array(empty if confidence is None else confidence, pa.float64()),
        "probabilities": pa.array(texts or empty, pa.string()),
    }
    for name in batch.schema.names:
        columns[f"input_{name}" if name in columns else name] = batch.column(name)
    return pa.table(columns)


def _predicted(model: LoadedModel, frame: pd.DataFrame) -> tuple[Predicted, list[Any]]:
    classes = model.manifest.get("classes")
    said = predict_frame(model.pipeline, frame, classes)
    if said.codes is not None and classes is not None:
        return said, [classes[code] for code in said.codes]
    return said, np.asarray(said.values).tolist()


def _answers(model: LoadedModel, frame: pd.DataFrame) -> tuple[Predicted, list[dict[str, Any]]]:
    said, prediction = _predicted(model, frame)
    classes = model.manifest.get("classes") or []
    answers = []
    for row, value in enumerate(prediction):
        given = None if said.probabilities is None else said.probabilities[row]
        answers.append(
            {
                "prediction": value,
                "confidence": None if given is None else float(given.max()),
                "probabilities": None if given is None else dict(zip(classes, given, strict=True)),
            }
        )
    return said, answers


def _explainer_state(manifest: Mapping[str, Any]) -> ExplainerState:
    stored = manifest.get("explainer")
    return ExplainerState.from_json(stored) if stored else ExplainerState("none")


def _reasons(
    model: LoadedModel, frame: pd.DataFrame, said: Predicted, *, top: int = TOP_REASONS
) -> Sequence[list[dict[str, Any]]]:
    found = explain(model.pipeline, frame, said.codes, _explainer_state(model.manifest))
    answer: list[list[dict[str, Any]]] = [[] for _ in range(len(frame))]
    if found is None:
        return answer
    features = InputContract.from_manifest(model.manifest).features
    words = {item.name: FeatureWords(item.type, item.unit) for item in features}
    toward = None
    if said.codes is not None:
        toward = [model.manifest["classes"][code] for code in said.codes]
    part = frame.iloc[: len(found.contributions)]
    explained = row_reasons(part, found.contributions, words, toward, top=top)
    answer[: len(explained)] = explained
    return answer


def manifest_text(manifest: Mapping[str, Any]) -> str:
    """Return the manifest as the JSON text that is stored beside a model file."""
    return json.dumps(to_json(manifest), indent=2, sort_keys=True, allow_nan=False)
