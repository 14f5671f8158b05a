"""Overhead of the training engine over the plain scikit-learn fit of the same pipeline on KOI.

Prints seconds and the ratio for every model type whose plain fit takes longer than five seconds
(the settings are chosen so that most do), and fails if one exceeds 10 % + 1 s. The two fits
alternate and the best of each counts, so that other load on the machine hits both alike.
``python benchmarks/training_overhead.py [model type ...] [--repeats 3] [--data FILE]``.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from experiments.data.specs import ColumnSchema, DatasetSchema
from experiments.training import engine, estimators
from experiments.training.frames import load_training_table, numeric_features
from experiments.training.labels import Labels
from experiments.training.partition import plan_parts
from experiments.training.specs import TrainingSpec

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "nasa_kepler_koi.csv"
TARGET = "koi_disposition"
NOT_FEATURES = (
    "kepid koi_score koi_fpflag_nt koi_fpflag_ss koi_fpflag_co koi_fpflag_ec rowid"
).split()
SETTINGS: dict[str, dict[str, Any]] = {
    "hist_gradient_boosting": {"max_iter": 400, "learning_rate": 0.05},
    "random_forest": {"n_estimators": 250},
    "extra_trees": {"n_estimators": 600},
    "gradient_boosting": {"n_estimators": 50},
    "mlp": {"max_iter": 200, "hidden_layer_sizes": [128, 64]},
    "svm": {"C": 20.0},
    "sgd": {"max_iter": 1000},
    "logistic_regression": {"max_iter": 5000, "C": 1e4, "tol": 1e-8},
}
SHARE, ALLOWANCE_S, SHORTEST_S = 0.10, 1.0, 5.0


class Silent:
    """Hooks that take everything and wish nothing."""

    def __init__(self) -> None:
        self.calls = 0

    def stage(self, name: str, fraction: float) -> None:
        """Count the call."""
        self.calls += 1

    def metrics(self, step: int, values: dict[str, float]) -> None:
        """Count the call."""
        self.calls += 1

    def progress(self, units_done: int, units_total: int, eta_s: float | None) -> None:
        """Count the call."""
        self.calls += 1

    def log(self, line: str) -> None:
        """Count the call."""
        self.calls += 1

    def should_stop(self) -> None:
        """Go on."""


def read_koi(path: Path) -> pd.DataFrame:
    """Return the table without its comment lines."""
    with path.open() as stream:
        n_comments = sum(1 for line in stream if line.startswith("#"))
    return pd.read_csv(path, skiprows=n_comments, low_memory=False)


def write_table(frame: pd.DataFrame, path: Path) -> tuple[DatasetSchema, list[str]]:
    """Write target and usable numbers; return the schema and the features."""
    numbers = frame.select_dtypes("number").drop(columns=list(NOT_FEATURES), errors="ignore")
    features = [name for name in numbers.columns if numbers[name].nunique() > 1]
    frame[[*features, TARGET]].to_parquet(path)
    columns = [ColumnSchema(name, name, "number") for name in features]
    return DatasetSchema((*columns, ColumnSchema(TARGET, TARGET, "category"))), features


def plain_fit(spec: TrainingSpec, path: Path, schema: DatasetSchema) -> None:
    """Read, split and fit the way a script would."""
    table = load_training_table(spec, path, schema)
    part = plan_parts(spec, table)[-1]
    features, target = table.features.iloc[part.train], table.target[part.train]
    codes = Labels.of(target).encode(target)
    facts = estimators.Facts.of(features, numeric_features(spec, schema), codes)
    pipeline = estimators.build_pipeline(spec, facts)
    if spec.model.strategy == "epoch":
        # The same number of epochs: a plain fit would end by its own rule.
        pipeline[-1].set_params(tol=0.0 if spec.model_type == "mlp" else None)
        if spec.model_type == "mlp":
            pipeline[-1].set_params(n_iter_no_change=10**6)
    with threadpool_limits(limits=spec.n_threads):
        pipeline.fit(features, target)


def timed(function: Callable[[], object]) -> tuple[float, float]:
    """Return (wall seconds, CPU seconds)."""
    wall, cpu = time.perf_counter(), time.process_time()
    function()
    return time.perf_counter() - wall, time.process_time() - cpu


def compare(
    name: str, path: Path, schema: DatasetSchema, features: list[str], repeats: int
) -> bool:
    """Print one line and return whether the type keeps the limit."""
    spec = TrainingSpec(
        target=TARGET,
        task="classification",
        model_type=name,
        features=tuple(features),
        hyperparameters=SETTINGS[name],
    )
    plain, ours = [], []
    for _ in range(repeats):
        plain.append(timed(lambda: plain_fit(spec, path, schema)))
        with tempfile.TemporaryDirectory() as folder:
            work_dir = Path(folder) / "run"
            ours.append(
                timed(
                    lambda work_dir=work_dir: engine.train(
                        spec, path, schema, work_dir=work_dir, hooks=Silent()
                    )
                )
            )
    (plain_wall, plain_cpu), (our_wall, our_cpu) = np.min(plain, axis=0), np.min(ours, axis=0)
    kept = our_cpu <= plain_cpu * (1 + SHARE) + ALLOWANCE_S
    verdict = "short" if plain_cpu < SHORTEST_S else "ok" if kept else "TOO SLOW"
    sys.stdout.write(
        f"{name:24} plain {plain_cpu:6.2f} s CPU {plain_wall:6.2f} s wall   "
        f"engine {our_cpu:6.2f} / {our_wall:6.2f}   ratio {our_cpu / plain_cpu:5.3f} CPU "
        f"{our_wall / plain_wall:5.3f} wall   {verdict}\n"
    )
    sys.stdout.flush()
    return kept or plain_cpu < SHORTEST_S


def main() -> int:
    """Compare the chosen types; return 1 if one is too slow."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("types", nargs="*", default=list(SETTINGS), metavar="TYPE")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--data", type=Path, default=DATA)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "koi.parquet"
        schema, features = write_table(read_koi(options.data), path)
        kept = [compare(name, path, schema, features, options.repeats) for name in options.types]
    return 0 if all(kept) else 1


if __name__ == "__main__":
    raise SystemExit(main())
