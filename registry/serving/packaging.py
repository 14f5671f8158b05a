"""From a finished run to a model file with its manifest: everything a version needs to serve."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from experiments.data.specs import MISSING_CATEGORY, ColumnSchema, DatasetSchema
from experiments.training.checkpoints import load_trained
from experiments.training.evaluation import EXPLAINER
from experiments.training.frames import load_training_table
from experiments.training.jsonable import to_json
from experiments.training.reasons import FeatureWords, shown_value
from experiments.training.specs import TrainingSpec
from registry.serving.persistence import save_model
from registry.serving.specs import FeatureSpec

MAX_LEVELS = 200


def package_model(
    spec: TrainingSpec,
    table_path: Path,
    schema: DatasetSchema,
    *,
    work_dir: Path,
    model_path: Path,
    dataset_sha256: str,
    result: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Write the model file of a run and return its complete manifest.

    Args:
        spec: what was trained.
        table_path: the table it was trained on: levels, ranges and examples come from it.
        schema: of the table.
        work_dir: where the training left its model, and the evaluation its explainer.
        model_path: where the model file goes.
        dataset_sha256: hash of the dataset version.
        result: the report, if the run was evaluated; its figures go into the manifest.

    Raises:
        EngineError: `nothing_learned`, or `model_not_loadable` if it cannot be stored safely.
    """
    trained = load_trained(work_dir)
    table = load_training_table(spec, table_path, schema)
    learned = table.features.iloc[table.locate(trained.train_rows)]
    explainer_path = work_dir / EXPLAINER
    explainer = json.loads(explainer_path.read_text()) if explainer_path.exists() else {}
    names = list(trained.feature_names)
    manifest: dict[str, Any] = {
        "task": spec.task,
        "target": spec.target,
        "target_unit": schema.column(spec.target).unit,
        "classes": None if trained.classes is None else list(trained.classes),
        "positive_class": spec.positive_class,
        "features": [_feature(schema.column(name), learned[name]).to_json() for name in names],
        "ignored_columns": [name for name in schema.names if name not in set(names)],
        "model_type": spec.model_type,
        "dataset_sha256": dataset_sha256,
        "spec": spec.to_json(),
        "spec_sha256": spec.digest(),
        "complete": trained.complete,
        "units_done": trained.units_done,
        "units_total": trained.units_total,
        "n_train": len(trained.train_rows),
        "metrics": dict(result["metrics"]) if result else {},
        "explainer": explainer,
    }
    clean: dict[str, Any] = to_json(manifest)
    return save_model(trained.pipeline, model_path, clean)


def _feature(column: ColumnSchema, values: pd.Series) -> FeatureSpec:
    words = FeatureWords(column.type, column.unit)
    shared: dict[str, Any] = {
        "name": column.name,
        "type": column.type,
        "nullable": column.nullable,
        "unit": column.unit,
        "description": column.description,
    }
    if column.type in {"category", "text"}:
        known = values[values != MISSING_CATEGORY].astype(str)
        counts = known.value_counts()
        levels = None
        if column.type == "category" and len(counts) <= MAX_LEVELS:
            levels = tuple(sorted(str(name) for name in counts.index))
        example = str(counts.index[0]) if len(counts) else None
        return FeatureSpec(**shared, levels=levels, example=example)
    numbers = values.to_numpy(dtype=np.float64)
    known_numbers = numbers[np.isfinite(numbers)]
    if len(known_numbers) == 0:
        return FeatureSpec(**shared)
    low, high = float(known_numbers.min()), float(known_numbers.max())
    # A value that occurs, in the middle: an example one can believe.
    middle = float(np.sort(known_numbers)[len(known_numbers) // 2])
    example = shown_value(middle, words)
    return FeatureSpec(
        **shared,
        example=example if not isinstance(example, float) or math.isfinite(example) else None,
        min=low,
        max=high,
    )
