"""From a stored table to features and target as the models see them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from experiments.data.loading import load_frame
from experiments.data.specs import MISSING_CATEGORY, DatasetSchema, EngineError
from experiments.training.specs import TrainingSpec

NUMERIC_TYPES = ("integer", "number", "boolean", "datetime")
# Forests compute in 32 bits: anything larger is as good as infinite and counts as missing.
LARGEST_NUMBER = 1e38


@dataclass(frozen=True)
class TrainingTable:
    """The rows of a table whose target is known.

    ``features`` has one column per feature (numbers float64 with NaN, texts as strings),
    ``target`` holds labels (text) or numbers (float64), ``rows`` the row numbers in the stored
    table, ascending; all three have the same length. ``extras`` holds the group and the time
    column where the validation needs them.
    """

    features: pd.DataFrame
    target: NDArray[np.str_] | NDArray[np.float64]
    rows: NDArray[np.int64]
    extras: pd.DataFrame
    n_dropped: int

    def locate(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the positions in this table of row numbers of the stored table."""
        return np.searchsorted(self.rows, rows)


def load_training_table(
    spec: TrainingSpec, table_path: Path, schema: DatasetSchema
) -> TrainingTable:
    """Return features and target of all rows whose target is known.

    Raises:
        EngineError: "unknown_column" if the table lacks a column of the specification,
            "no_target_values" if the target is empty everywhere,
            "target_not_numeric" if a regression has a target of texts.
    """
    extras = [
        name
        for name in (spec.validation.group_column, spec.validation.time_column)
        if name is not None
    ]
    wanted = list(dict.fromkeys([*spec.features, spec.target, *extras]))
    missing = [name for name in wanted if name not in schema.names]
    if missing:
        raise EngineError(
            "unknown_column",
            f"The table has no column {', '.join(repr(name) for name in missing)}.",
            columns=missing,
        )
    frame = _read(table_path, schema, wanted)
    target_type = schema.column(spec.target).type
    known = _is_known(frame[spec.target])
    if not known.any():
        raise EngineError(
            "no_target_values", f"The target “{spec.target}” has no value in any row."
        )
    kept = frame.loc[known].reset_index(drop=True)
    return TrainingTable(
        features=clean_features(kept, spec.features),
        target=_as_target(kept[spec.target], target_type, spec),
        rows=np.flatnonzero(known).astype(np.int64),
        extras=kept[extras],
        n_dropped=int((~known).sum()),
    )


def _read(table_path: Path, schema: DatasetSchema, wanted: list[str]) -> pd.DataFrame:
    """Return the columns; a test table is another file and may not have them as expected."""
    present = set(pq.read_schema(table_path).names)
    missing = [name for name in wanted if name not in present]
    if missing:
        raise EngineError(
            "unknown_column",
            f"The table lacks columns of the training: {', '.join(missing)}.",
            columns=missing,
        )
    try:
        return load_frame(table_path, schema, columns=wanted)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise EngineError(
            "column_type_differs",
            "A column of the table holds another type of values than in training: "
            f"{str(error).splitlines()[0]}",
        ) from error


def clean_features(frame: pd.DataFrame, features: Sequence[str]) -> pd.DataFrame:
    """Return the feature columns in order, with infinite and huge numbers turned into NaN.

    Training and serving must both pass their frames (as ``load_frame`` gives them) through here.
    """
    columns: dict[str, object] = {}
    for name in features:
        column = frame[name]
        if pd.api.types.is_numeric_dtype(column.dtype):
            values = column.to_numpy(dtype=np.float64, copy=True)
            with np.errstate(invalid="ignore"):
                values[~(np.abs(values) < LARGEST_NUMBER)] = np.nan
            columns[name] = values
        else:
            columns[name] = column.astype(object).fillna(MISSING_CATEGORY).to_numpy()
    return pd.DataFrame(columns, index=frame.index, columns=list(features))


def as_labels(column: pd.Series, column_type: str) -> NDArray[np.str_]:
    """Return class labels as text: whole numbers without a point, booleans as false/true."""
    if column_type == "boolean" and pd.api.types.is_numeric_dtype(column.dtype):
        return np.where(column.to_numpy(dtype=np.float64) > 0.5, "true", "false")
    if pd.api.types.is_numeric_dtype(column.dtype):
        numbers = column.to_numpy(dtype=np.float64)
        distinct, codes = np.unique(numbers, return_inverse=True)
        words = [str(int(v)) if v == np.floor(v) else repr(float(v)) for v in distinct]
        return np.asarray(words, dtype=np.str_)[codes]
    return np.asarray([str(value) for value in column], dtype=np.str_)


def numeric_features(spec: TrainingSpec, schema: DatasetSchema) -> list[str]:
    """Return the features that are numbers to the models (booleans and dates included)."""
    return [name for name in spec.features if schema.column(name).type in NUMERIC_TYPES]


def _is_known(column: pd.Series) -> NDArray[np.bool_]:
    if pd.api.types.is_numeric_dtype(column.dtype):
        finite: NDArray[np.bool_] = np.isfinite(column.to_numpy(dtype=np.float64))
        return finite
    known = column.notna() & (column != MISSING_CATEGORY)
    return np.asarray(known, dtype=np.bool_)


def _as_target(
    column: pd.Series, column_type: str, spec: TrainingSpec
) -> NDArray[np.str_] | NDArray[np.float64]:
    if spec.task == "classification":
        return as_labels(column, column_type)
    if not pd.api.types.is_numeric_dtype(column.dtype):
        raise EngineError(
            "target_not_numeric",
            f"The target “{spec.target}” holds texts; a regression needs numbers.",
            column=spec.target,
        )
    return column.to_numpy(dtype=np.float64)
