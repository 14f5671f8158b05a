"""Small tables, specifications and hooks for the tests of the training engine."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from experiments.data.specs import ColumnSchema, DatasetSchema
from experiments.training.hooks import Wish
from experiments.training.specs import CATALOGUE, TrainingSpec, ValidationSpec

TYPES = {
    "a": "number",
    "b": "number",
    "c": "integer",
    "colour": "category",
    "town": "category",
    "flag": "boolean",
    "when": "datetime",
    "star": "integer",
    "kind": "category",
    "size": "number",
}
FEATURES = ("a", "b", "c", "colour", "town", "flag")


def sample_frame(n_rows: int = 240, *, seed: int = 0) -> pd.DataFrame:
    """Return a table with a class target "kind" and a number target "size"."""
    random = np.random.default_rng(seed)
    a, b = random.normal(size=n_rows), random.normal(size=n_rows)
    colour = random.choice(["red", "green", "blue"], n_rows)
    noise = random.normal(size=n_rows) * 0.2
    frame = pd.DataFrame(
        {
            "a": a,
            "b": np.where(np.arange(n_rows) % 9 == 0, np.nan, b),
            "c": random.integers(0, 20, n_rows),
            "colour": colour,
            "town": [f"town {number}" for number in random.integers(0, 60, n_rows)],
            "flag": random.random(n_rows) > 0.5,
            "when": pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(n_rows), unit="D"),
            "star": np.arange(n_rows) // 4,
        }
    )
    score = a + 0.5 * (colour == "red") + noise
    frame["kind"] = np.where(score > 0.5, "planet", np.where(b > 0, "star", "dust"))
    frame["size"] = 3.0 * a + 50.0 + noise
    return frame


def write_sample(path: Path, frame: pd.DataFrame | None = None) -> DatasetSchema:
    """Write the table as Parquet and return its schema."""
    frame = sample_frame() if frame is None else frame
    frame.to_parquet(path)
    columns = [ColumnSchema(name, name, TYPES[name]) for name in frame.columns]
    return DatasetSchema(tuple(columns))


def make_spec(model_type: str = "random_forest", task: str = "classification", **values: Any):
    """Return a small, quick specification; ``values`` override its fields."""
    units = CATALOGUE[model_type].units
    n_units = {"logistic_regression": 500, "mlp": 60}.get(model_type, 8)
    small = {units: n_units} if units else {}
    fields: dict[str, Any] = {
        "target": "kind" if task == "classification" else "size",
        "task": task,
        "model_type": model_type,
        "features": FEATURES,
        "hyperparameters": small | values.pop("hyperparameters", {}),
        "validation": ValidationSpec(kind=values.pop("kind", "stratified"), n_folds=3),
    }
    return TrainingSpec(**(fields | values))


class Recorder:
    """Hooks that remember what they were told and wish what ``wish`` says at every question."""

    def __init__(self, wish: Callable[[int], Wish | None] = lambda _: None) -> None:
        self.stages: list[tuple[str, float]] = []
        self.points: list[tuple[int, dict[str, float]]] = []
        self.progressed: list[tuple[int, int, float | None]] = []
        self.lines: list[str] = []
        self.questions = 0
        self._wish = wish

    def stage(self, name: str, fraction: float) -> None:
        """Remember the stage."""
        self.stages.append((name, fraction))

    def metrics(self, step: int, values: dict[str, float]) -> None:
        """Remember the points."""
        self.points.append((step, values))

    def progress(self, units_done: int, units_total: int, eta_s: float | None) -> None:
        """Remember the progress."""
        self.progressed.append((units_done, units_total, eta_s))

    def log(self, line: str) -> None:
        """Remember the line."""
        self.lines.append(line)

    def should_stop(self) -> Wish | None:
        """Answer by the number of questions asked so far."""
        self.questions += 1
        return self._wish(self.questions)
