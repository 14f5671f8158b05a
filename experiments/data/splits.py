"""Train/test splits: random, stratified, by group, by time and in folds, the same for a seed."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold, GroupShuffleSplit, KFold, StratifiedKFold
from sklearn.model_selection import train_test_split as sk_split

from experiments.data.specs import EngineError

Indices = NDArray[np.int64]
Split = tuple[Indices, Indices]


class ValidationLike(Protocol):
    """What a split needs to know; the training engine's ValidationSpec has this shape."""

    @property
    def kind(self) -> str:
        """One of split, stratified, group, time, kfold."""

    @property
    def test_fraction(self) -> float | None:
        """Share of rows held out, between 0 and 1."""

    @property
    def n_folds(self) -> int | None:
        """Number of folds of kfold."""

    @property
    def group_column(self) -> str | None:
        """Column whose equal values stay together."""

    @property
    def time_column(self) -> str | None:
        """Column that orders the rows in time."""


def make_split(
    *,
    n_rows: int,
    validation: ValidationLike,
    seed: int,
    target: NDArray[Any] | None = None,
    is_classification: bool = False,
    groups: NDArray[Any] | None = None,
    times: NDArray[Any] | None = None,
) -> list[Split]:
    """Return [(train rows, test rows)], one pair, or one for each fold; sorted, never overlapping.

    The same arguments give the same indices bit for bit.

    Args:
        n_rows: Rows of the table.
        validation: What kind of split; `test_fraction` defaults to 0.2, `n_folds` to 5.
        seed: Seeds every draw.
        target: Values of the target, shape (n_rows,); needed to stratify.
        is_classification: Whether folds and stratified splits keep class shares.
        groups: Values of the group column, shape (n_rows,).
        times: Values of the time column as numbers, shape (n_rows,); NaN is refused.

    Raises:
        EngineError: `impossible_split` with details.field naming the setting to change.
    """
    if n_rows < 2:
        raise _impossible("n_rows", f"{n_rows} row(s) cannot be split; at least 2 are needed.")
    kind = validation.kind
    if kind == "kfold":
        return _folds(n_rows, validation, seed, target, groups, is_classification)
    fraction = _fraction(validation, n_rows)
    rows = np.arange(n_rows, dtype=np.int64)
    if kind == "split":
        return [_pair(*sk_split(rows, test_size=fraction, random_state=seed, shuffle=True))]
    if kind == "stratified":
        return [_stratified(rows, fraction, seed, target)]
    if kind == "group":
        return [_grouped(rows, fraction, seed, _needed(groups, "group_column", validation))]
    if kind == "time":
        return [_by_time(rows, fraction, _needed(times, "time_column", validation))]
    raise _impossible("kind", f"“{kind}” is not a kind of split.")


def _impossible(field: str, message: str) -> EngineError:
    return EngineError("impossible_split", message, field=field)


def _pair(train: Any, test: Any) -> Split:
    return np.sort(np.asarray(train, dtype=np.int64)), np.sort(np.asarray(test, dtype=np.int64))


def _fraction(validation: ValidationLike, n_rows: int) -> float:
    fraction = 0.2 if validation.test_fraction is None else float(validation.test_fraction)
    if not 0.0 < fraction < 1.0:
        raise _impossible("test_fraction", f"The test share {fraction} is not between 0 and 1.")
    if round(fraction * n_rows) < 1 or round((1 - fraction) * n_rows) < 1:
        raise _impossible(
            "test_fraction",
            f"A test share of {fraction} of {n_rows} rows leaves one side without rows.",
        )
    return fraction


def _needed(values: NDArray[Any] | None, field: str, validation: ValidationLike) -> NDArray[Any]:
    if values is None:
        name = getattr(validation, field)
        what = f"the column “{name}” is missing" if name else f"no {field} was chosen"
        raise _impossible(field, f"A {validation.kind} split needs its column: {what}.")
    return values


def _class_counts(target: NDArray[Any] | None) -> tuple[NDArray[Any], NDArray[Any]]:
    if target is None:
        raise _impossible("kind", "A stratified split needs a target column.")
    names, counts = np.unique(np.asarray(target).astype(str), return_counts=True)
    if len(names) < 2:
        raise _impossible("target", f"The target has only one class (“{names[0]}”).")
    return names, counts


def _stratified(rows: Indices, fraction: float, seed: int, target: NDArray[Any] | None) -> Split:
    names, counts = _class_counts(target)
    if counts.min() < 2:
        rare = names[counts < 2][:5]
        raise _impossible(
            "kind",
            "A stratified split needs at least 2 rows of each class; only one row has "
            + ", ".join(f"“{name}”" for name in rare)
            + ". Use a plain split or remove these rows.",
        )
    n_test = round(fraction * len(rows))
    if n_test < len(names) or len(rows) - n_test < len(names):
        raise _impossible(
            "test_fraction",
            f"{n_test} test and {len(rows) - n_test} training rows cannot hold all "
            f"{len(names)} classes.",
        )
    return _pair(*sk_split(rows, test_size=fraction, random_state=seed, stratify=target))


def _codes(groups: NDArray[Any]) -> NDArray[Any]:
    return np.unique(np.asarray(groups).astype(str), return_inverse=True)[1]


def _grouped(rows: Indices, fraction: float, seed: int, groups: NDArray[Any]) -> Split:
    codes = _codes(groups)
    n_groups = int(codes.max()) + 1
    n_test = round(fraction * n_groups)
    if n_groups < 2 or n_test < 1 or n_test >= n_groups:
        raise _impossible(
            "group_column",
            f"{n_groups} group(s) cannot be split with a test share of {fraction}; whole groups "
            "are needed on both sides.",
        )
    splitter = GroupShuffleSplit(n_splits=1, test_size=fraction, random_state=seed)
    return _pair(*next(splitter.split(rows, groups=codes)))


def _by_time(rows: Indices, fraction: float, times: NDArray[Any]) -> Split:
    values = np.asarray(times, dtype=np.float64)
    n_missing = int(np.isnan(values).sum())
    if n_missing:
        raise _impossible(
            "time_column", f"{n_missing:,} rows have no time; they cannot be ordered."
        )
    order = np.argsort(values, kind="stable")
    n_train = len(rows) - round(fraction * len(rows))
    # Rows of the same moment stay together on the training side: the test lies strictly later.
    boundary = values[order[n_train - 1]]
    test = rows[values > boundary]
    if len(test) == 0:
        raise _impossible(
            "time_column", "No row is later than the training rows; choose another time column."
        )
    return _pair(rows[values <= boundary], test)


def _folds(
    n_rows: int,
    validation: ValidationLike,
    seed: int,
    target: NDArray[Any] | None,
    groups: NDArray[Any] | None,
    is_classification: bool,  # noqa: FBT001 - private, passed on
) -> list[Split]:
    n_folds = 5 if validation.n_folds is None else int(validation.n_folds)
    if n_folds < 2:
        raise _impossible("n_folds", f"{n_folds} fold(s): at least 2 are needed.")
    if n_folds > n_rows:
        raise _impossible("n_folds", f"{n_folds} folds need at least as many rows; {n_rows} exist.")
    rows = np.arange(n_rows)
    if validation.group_column:
        codes = _codes(_needed(groups, "group_column", validation))
        if n_folds > codes.max() + 1:
            raise _impossible(
                "n_folds", f"{n_folds} folds need as many groups; {codes.max() + 1} exist."
            )
        grouped = GroupKFold(n_splits=n_folds, shuffle=True, random_state=seed)
        return [_pair(*pair) for pair in grouped.split(rows, groups=codes)]
    if is_classification:
        names, counts = _class_counts(target)
        if counts.min() < n_folds:
            rare = names[np.argmin(counts)]
            raise _impossible(
                "n_folds",
                f"{n_folds} stratified folds need {n_folds} rows of each class; “{rare}” has "
                f"{counts.min()}.",
            )
        stratified = StratifiedKFold(n_splits=n_folds, shuffle=True, random_state=seed)
        return [_pair(*pair) for pair in stratified.split(rows, np.asarray(target).astype(str))]
    plain = KFold(n_splits=n_folds, shuffle=True, random_state=seed)
    return [_pair(*pair) for pair in plain.split(rows)]
