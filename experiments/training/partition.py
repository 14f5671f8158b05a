"""Which rows a run learns from and which it holds out, part by part."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.data.specs import EngineError
from experiments.data.splits import make_split
from experiments.training.frames import TrainingTable
from experiments.training.specs import TrainingSpec
from experiments.training.stopping import ASIDE_SHARE, MIN_ASIDE_ROWS

ASIDE_SEED = 7919


@dataclass(frozen=True)
class Part:
    """One model to learn: positions in the training table.

    ``fold`` counts from 1 for fold models and is 0 for the model that is kept. ``aside`` are
    rows taken out of the training rows that decide about early stopping (empty: none).
    """

    fold: int
    train: NDArray[np.int64]
    test: NDArray[np.int64]
    aside: NDArray[np.int64]

    @property
    def prefix(self) -> str:
        """Return what the names of the curves start with."""
        return f"fold_{self.fold}/" if self.fold else ""


def plan_parts(spec: TrainingSpec, table: TrainingTable) -> list[Part]:
    """Return the models to learn, the kept one last.

    Raises:
        EngineError: if the rows do not allow the validation, or a part has nothing to learn.
    """
    everything = np.arange(len(table.rows), dtype=np.int64)
    nothing = np.empty(0, dtype=np.int64)
    kind = spec.validation.kind
    if kind == "test_dataset":
        pairs = [(0, everything, nothing)]
    else:
        splits = _split(spec, table)
        if kind == "kfold":
            pairs = [(n, train, test) for n, (train, test) in enumerate(splits, start=1)]
            pairs.append((0, everything, nothing))
        else:
            pairs = [(0, *splits[0])]
    return [_part(spec, table, fold, train, test) for fold, train, test in pairs]


def _split(
    spec: TrainingSpec, table: TrainingTable
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    validation = spec.validation
    classification = spec.task == "classification"
    if validation.kind == "stratified" and not classification:
        # There are no classes whose shares could be kept: rows are drawn at random.
        validation = replace(validation, kind="split")
    return make_split(
        n_rows=len(table.rows),
        validation=validation,
        seed=spec.seed,
        target=table.target,
        is_classification=classification,
        groups=_extra(table, validation.group_column),
        times=_extra(table, validation.time_column),
    )


def _extra(table: TrainingTable, name: str | None) -> NDArray[Any] | None:
    return None if name is None else table.extras[name].to_numpy()


def _part(
    spec: TrainingSpec,
    table: TrainingTable,
    fold: int,
    train: NDArray[np.int64],
    test: NDArray[np.int64],
) -> Part:
    aside = np.empty(0, dtype=np.int64)
    if spec.hyperparameters.get("early_stopping"):
        train, aside = _set_aside(spec, table, train)
    if len(train) < 2:
        raise EngineError("too_few_rows", "Fewer than two rows are left to learn from.")
    if spec.task == "classification" and len(np.unique(table.target[train])) < 2:
        raise EngineError(
            "one_class",
            f"All training rows have the same value of “{spec.target}”; there is nothing to learn.",
        )
    return Part(fold=fold, train=train, test=test, aside=aside)


def _set_aside(
    spec: TrainingSpec, table: TrainingTable, train: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return (learned from, set aside); by whole groups or the latest rows where these matter."""
    n_aside = max(MIN_ASIDE_ROWS, round(len(train) * ASIDE_SHARE))
    if n_aside > len(train) // 2:
        raise EngineError(
            "too_few_rows",
            f"Early stopping needs at least {2 * MIN_ASIDE_ROWS} training rows; "
            f"there are {len(train)}. Switch it off.",
        )
    random = np.random.default_rng([spec.seed, ASIDE_SEED])
    validation = spec.validation
    if validation.kind == "time" and validation.time_column is not None:
        times = table.extras[validation.time_column].to_numpy()[train]
        order = np.argsort(times, kind="stable")
        chosen = np.zeros(len(train), dtype=bool)
        chosen[order[-n_aside:]] = True
    elif validation.kind in ("group", "kfold") and validation.group_column is not None:
        groups = table.extras[validation.group_column].to_numpy()[train]
        chosen = _whole_groups(groups, n_aside, random)
    else:
        chosen = _stratified(table, train, n_aside, random, spec)
    return train[~chosen], train[chosen]


def _whole_groups(
    groups: NDArray[np.generic], n_aside: int, random: np.random.Generator
) -> NDArray[np.bool_]:
    texts = groups.astype(str)
    names, codes, counts = np.unique(texts, return_inverse=True, return_counts=True)
    order = random.permutation(len(names))
    n_groups = int(np.searchsorted(np.cumsum(counts[order]), n_aside)) + 1
    return np.isin(codes, order[: min(n_groups, len(names) - 1)])


def _stratified(
    table: TrainingTable,
    train: NDArray[np.int64],
    n_aside: int,
    random: np.random.Generator,
    spec: TrainingSpec,
) -> NDArray[np.bool_]:
    """Choose rows in proportion to the classes; every class keeps a row to learn from."""
    chosen = np.zeros(len(train), dtype=bool)
    if spec.task != "classification":
        chosen[random.choice(len(train), n_aside, replace=False)] = True
        return chosen
    _, codes, counts = np.unique(table.target[train], return_inverse=True, return_counts=True)
    for code, count in enumerate(counts):
        members = random.permutation(np.flatnonzero(codes == code))
        chosen[members[: min(int(count) - 1, round(n_aside * int(count) / len(train)))]] = True
    return chosen
