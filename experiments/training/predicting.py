"""One way to ask a fitted pipeline about rows, shared by evaluation and serving."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.dummy import DummyClassifier
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# One thread: OpenMP's barriers between small trees made 1,000 rows 17 times slower on two busy
# cores (2026-11, 580 against 34 ms), and sums of one thread are the same on every machine.
ONE_THREAD = 1
# Fixed sizes, not timed ones: matrix products of other shapes differ in the last bit. The slowest
# type (SVM) needs 0.7 s for 2,000 rows, so a stop is seen soon.
SMALL_CHUNK_ROWS = 2_000
LARGE_CHUNK_ROWS = 20_000
LARGE_TABLE_ROWS = 200_000


@dataclass(frozen=True)
class Predicted:
    """Answers of a model for some rows.

    Attributes:
        codes: class number of each row's prediction, or None for a regression.
        values: predicted numbers, or None for a classification.
        probabilities: shape (n_rows, n_classes), or None.
        ranking: probabilities, or the decision function as (n_rows, n_classes), or None.
    """

    codes: IntArray | None = None
    values: FloatArray | None = None
    probabilities: FloatArray | None = None
    ranking: FloatArray | None = None


def single_threaded() -> AbstractContextManager[Any]:
    """Return a context in which OpenMP and BLAS use one thread."""
    limits: AbstractContextManager[Any] = threadpool_limits(ONE_THREAD)
    return limits


def chunk_bounds(n_rows: int) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of the pieces in which rows are predicted."""
    size = LARGE_CHUNK_ROWS if n_rows > LARGE_TABLE_ROWS else SMALL_CHUNK_ROWS
    for start in range(0, n_rows, size):
        yield start, min(start + size, n_rows)


def predict_frame(
    pipeline: Pipeline,
    frame: pd.DataFrame,
    classes: Sequence[str] | None,
    *,
    check_stop: Callable[[], None] = lambda: None,
    on_fraction: Callable[[float], None] = lambda _: None,
) -> Predicted:
    """Return what the model says about every row.

    Args:
        pipeline: fitted.
        frame: rows with the model's columns (`frames.clean_features`).
        classes: labels in the order of the model's probabilities; None for a regression.
        check_stop: called between pieces; raises to give up.
        on_fraction: told how much is done, from 0 to 1.
    """
    parts: list[Predicted] = []
    with single_threaded():
        for start, end in chunk_bounds(len(frame)):
            check_stop()
            parts.append(_predict_chunk(pipeline, frame.iloc[start:end], classes))
            on_fraction(end / len(frame))
    return Predicted(
        codes=_joined([part.codes for part in parts]),
        values=_joined([part.values for part in parts]),
        probabilities=_joined([part.probabilities for part in parts]),
        ranking=_joined([part.ranking for part in parts]),
    )


def _joined(parts: list[Any]) -> Any:
    return None if not parts or parts[0] is None else np.concatenate(parts)


def _predict_chunk(
    pipeline: Pipeline, chunk: pd.DataFrame, classes: Sequence[str] | None
) -> Predicted:
    if classes is None:
        return Predicted(values=np.asarray(pipeline.predict(chunk), dtype=np.float64))
    if hasattr(pipeline, "predict_proba"):
        probabilities = np.asarray(pipeline.predict_proba(chunk), dtype=np.float64)
        # Asking for labels too would double the time; only a random baseline may disagree.
        if isinstance(pipeline[-1], DummyClassifier):
            codes = label_codes(pipeline.predict(chunk), classes)
        else:
            codes = probabilities.argmax(axis=1).astype(np.int64)
        return Predicted(codes=codes, probabilities=probabilities, ranking=probabilities)
    codes = label_codes(pipeline.predict(chunk), classes)
    return Predicted(codes=codes, ranking=_decisions(pipeline, chunk))


def _decisions(pipeline: Pipeline, chunk: pd.DataFrame) -> FloatArray | None:
    if not hasattr(pipeline, "decision_function"):
        return None
    scores = np.asarray(pipeline.decision_function(chunk), dtype=np.float64)
    return np.column_stack([-scores, scores]) if scores.ndim == 1 else scores


def label_codes(labels: Any, classes: Sequence[str]) -> IntArray:
    """Return the position of each label in `classes`; -1 for a label that is not there."""
    position = {name: place for place, name in enumerate(classes)}
    distinct, inverse = np.unique(np.asarray(labels, dtype=np.str_), return_inverse=True)
    places = np.array([position.get(str(name), -1) for name in distinct], dtype=np.int64)
    return places[inverse]
