"""Private files of a run: checkpoints and the trained model; the only module that pickles.

The files live in the run's own work folder (0600), are written by us alone and never come from
outside. Models that leave the platform go through ``registry.serving.persistence`` instead.
"""

import hashlib
import os
import pickle
import platform
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from experiments.data.specs import EngineError
from experiments.training.specs import TrainingSpec

FORMAT = 1
CHECKPOINT = "checkpoint.pkl"
TRAINED = "trained.pkl"
LIBRARIES = ("scikit-learn", "numpy", "scipy", "pandas")
READ_BYTES = 1 << 20


@dataclass(frozen=True)
class OutOfFold:
    """Predictions of the fold models on the rows they did not see.

    ``rows`` are row numbers of the stored table, ``folds`` counts from 1. Classification:
    ``predictions`` are labels and ``probabilities`` has shape (n_rows, n_classes) in the order
    of ``TrainedModel.classes`` (None where the type gives none); regression: numbers and None.
    """

    rows: NDArray[np.int64]
    folds: NDArray[np.int64]
    predictions: NDArray[Any]
    probabilities: NDArray[np.float64] | None


@dataclass(frozen=True)
class TrainedModel:
    """What a training left behind, complete or stopped.

    ``pipeline`` predicts labels (text) or numbers from a frame as ``frames.clean_features``
    gives it; ``classes`` are the labels in the order of its probabilities (None: regression).
    ``train_rows`` and ``test_rows`` are row numbers of the stored table; with
    ``test_table`` True, ``test_rows`` number the rows of the separate test table.
    ``test_rows`` is empty after k-fold validation: use ``oof``.
    """

    pipeline: Pipeline
    task: str
    classes: tuple[str, ...] | None
    feature_names: tuple[str, ...]
    train_rows: NDArray[np.int64]
    test_rows: NDArray[np.int64]
    test_table: bool
    oof: OutOfFold | None
    complete: bool
    units_done: int
    units_total: int
    fit_wall_s: float
    deterministic: bool
    notes: tuple[str, ...]

    @property
    def has_probabilities(self) -> bool:
        """Say whether the pipeline gives class probabilities."""
        return self.classes is not None and hasattr(self.pipeline, "predict_proba")


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while piece := stream.read(READ_BYTES):
            digest.update(piece)
    return digest.hexdigest()


def library_versions() -> dict[str, str]:
    """Return the versions a checkpoint depends on."""
    return {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}}


class Store:
    """Reads and writes the private files of one run, bound to its specification and data."""

    def __init__(
        self, work_dir: Path, spec: TrainingSpec, table_path: Path, test_table: Path | None
    ) -> None:
        self.work_dir = work_dir
        self._spec = spec
        self._tables = [table_path, *([test_table] if test_table is not None else [])]
        work_dir.mkdir(parents=True, exist_ok=True, mode=0o700)

    @cached_property
    def header(self) -> dict[str, Any]:
        """Return what must agree before a checkpoint is used (hashes the tables once)."""
        return {
            "format": FORMAT,
            "spec": self._spec.digest(),
            "tables": [file_sha256(path) for path in self._tables],
            "versions": library_versions(),
        }

    @property
    def has_checkpoint(self) -> bool:
        """Say whether there is a checkpoint, whosever it is."""
        return (self.work_dir / CHECKPOINT).exists()

    def save_checkpoint(self, state: object) -> int:
        """Write ``state`` atomically and return its size in bytes."""
        return _write(self.work_dir / CHECKPOINT, {"header": self.header, "state": state})

    def load_checkpoint(self) -> Any | None:
        """Return the state last saved, or None if there is none.

        Raises:
            EngineError: "checkpoint_mismatch" if it belongs to another specification, other data
                or other library versions; "checkpoint_unreadable" if the file is damaged.
        """
        return self._load(CHECKPOINT)

    def drop_checkpoint(self) -> None:
        """Remove the checkpoint of a run that is complete."""
        (self.work_dir / CHECKPOINT).unlink(missing_ok=True)

    def save_trained(self, trained: TrainedModel) -> None:
        """Write the trained model atomically."""
        _write(self.work_dir / TRAINED, {"header": self.header, "state": trained})

    def load_own_trained(self) -> TrainedModel | None:
        """Return the trained model if it belongs to this very run, or None.

        Raises:
            EngineError: as ``load_checkpoint``.
        """
        trained: TrainedModel | None = self._load(TRAINED)
        return trained

    def _load(self, name: str) -> Any | None:
        path = self.work_dir / name
        if not path.exists():
            return None
        content = _read(path)
        differing = [key for key, value in self.header.items() if content["header"][key] != value]
        if differing:
            words = {
                "spec": "the specification",
                "tables": "the data",
                "versions": "library versions",
                "format": "the file format",
            }
            raise EngineError(
                "checkpoint_mismatch",
                "This run cannot be resumed: since the checkpoint was written, "
                f"{' and '.join(words[key] for key in differing)} changed. Start it again.",
                differing=differing,
            )
        return content["state"]


def load_trained(work_dir: Path) -> TrainedModel:
    """Return what the training in ``work_dir`` left behind.

    Raises:
        EngineError: "nothing_learned" if the run was stopped before anything was learned,
            "checkpoint_unreadable" if the file is damaged.
    """
    path = work_dir / TRAINED
    if not path.exists():
        raise EngineError("nothing_learned", "This run ended before anything was learned.")
    trained: TrainedModel = _read(path)["state"]
    return trained


def clear(work_dir: Path) -> None:
    """Remove checkpoint and trained model, so that the run starts from the beginning."""
    for path in (*work_dir.glob("fold_*.npz"), work_dir / CHECKPOINT, work_dir / TRAINED):
        path.unlink(missing_ok=True)


def save_fold(work_dir: Path, fold: int, part: OutOfFold) -> None:
    """Write the out-of-fold predictions of one fold atomically."""
    arrays: dict[str, Any] = {
        "rows": part.rows,
        "folds": part.folds,
        "predictions": part.predictions,
    }
    if part.probabilities is not None:
        arrays["probabilities"] = part.probabilities
    temporary = work_dir / f".fold_{fold}.tmp.npz"
    with temporary.open("wb") as stream:
        np.savez(stream, allow_pickle=False, **arrays)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(work_dir / f"fold_{fold}.npz")


def load_folds(work_dir: Path, n_folds: int) -> OutOfFold | None:
    """Return the predictions of folds 1 to ``n_folds`` joined, ascending by row, or None."""
    parts = []
    for fold in range(1, n_folds + 1):
        path = work_dir / f"fold_{fold}.npz"
        if path.exists():
            with np.load(path, allow_pickle=False) as stored:
                parts.append({name: stored[name] for name in stored.files})
    if not parts:
        return None
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    order = np.argsort(joined["rows"], kind="stable")
    joined = {name: values[order] for name, values in joined.items()}
    return OutOfFold(
        rows=joined["rows"],
        folds=joined["folds"],
        predictions=joined["predictions"],
        probabilities=joined.get("probabilities"),
    )


def _write(path: Path, content: object) -> int:
    """Write so that after a crash the file is the old one or the new one, never half of one."""
    temporary = path.with_name(f".{path.name}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        pickle.dump(content, stream, protocol=5)
        stream.flush()
        os.fsync(stream.fileno())
        size_bytes = stream.tell()
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return size_bytes


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as stream:
            content: dict[str, Any] = pickle.load(stream)
    except (pickle.UnpicklingError, EOFError, AttributeError, ImportError, IndexError) as error:
        raise EngineError(
            "checkpoint_unreadable", "The saved state of this run is damaged. Start it again."
        ) from error
    return content
