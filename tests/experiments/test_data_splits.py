"""Splits: what each kind promises, the same for a seed, and clear words for impossible ones."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.data.specs import EngineError
from experiments.data.splits import make_split


@dataclass(frozen=True)
class Validation:
    kind: str = "split"
    test_fraction: float | None = None
    n_folds: int | None = None
    group_column: str | None = None
    time_column: str | None = None


TARGET = np.array(["a"] * 60 + ["b"] * 30 + ["c"] * 10, dtype=object)
GROUPS = np.repeat(np.arange(25), 4)


def split(kind="split", seed=3, **given_values):
    options = {
        key: given_values.pop(key)
        for key in ("test_fraction", "n_folds", "group_column", "time_column")
        if key in given_values
    }
    return make_split(
        n_rows=given_values.pop("n_rows", 100),
        validation=Validation(kind, **options),
        seed=seed,
        **given_values,
    )


@settings(max_examples=40, deadline=None)
@given(
    kind=st.sampled_from(["split", "stratified", "group", "time", "kfold"]),
    seed=st.integers(0, 2**32 - 1),
)
def test_every_split_is_repeatable_complete_and_without_overlap(kind, seed):
    def made():
        return split(
            kind, seed, target=TARGET, is_classification=True, groups=GROUPS,
            times=np.arange(100.0)[::-1],
        )  # fmt: skip

    first, second = made(), made()
    for (train, test), (train_2, test_2) in zip(first, second, strict=True):
        assert train.tobytes() == train_2.tobytes()
        assert test.tobytes() == test_2.tobytes()
        assert train.dtype == np.int64
        assert sorted([*train, *test]) == list(range(100))
        assert len(test) > 0
    if kind == "kfold":
        assert sorted(np.concatenate([test for _, test in first])) == list(range(100))


def test_seeds_differ_and_the_fraction_holds():
    (_, one), (_, other) = split(seed=1)[0], split(seed=2)[0]
    assert len(one) == 20
    assert one.tolist() != other.tolist()
    assert len(split(test_fraction=0.35)[0][1]) == 35


def test_stratified_splits_keep_class_shares():
    _, test = split("stratified", target=TARGET)[0]
    assert np.unique(TARGET[test], return_counts=True)[1].tolist() == [12, 6, 2]
    for _, fold in split("kfold", target=TARGET, is_classification=True):
        assert np.unique(TARGET[fold], return_counts=True)[1].tolist() == [12, 6, 2]


def test_groups_never_stand_on_both_sides():
    for train, test in [
        *split("group", groups=GROUPS, group_column="g"),
        *split("kfold", groups=GROUPS, group_column="g", n_folds=5),
    ]:
        assert not set(GROUPS[train]) & set(GROUPS[test])


def test_time_splits_test_on_what_is_strictly_later():
    times = np.repeat(np.arange(20.0), 5)
    np.random.default_rng(0).shuffle(times)
    train, test = split("time", times=times, time_column="t", test_fraction=0.22)[0]
    assert times[train].max() < times[test].min()
    assert len(test) in (15, 20)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"kind": "split", "n_rows": 1}, "n_rows"),
        ({"kind": "split", "test_fraction": 0.0}, "test_fraction"),
        ({"kind": "split", "test_fraction": 1.5}, "test_fraction"),
        ({"kind": "split", "test_fraction": 0.001}, "test_fraction"),
        ({"kind": "stratified"}, "kind"),
        ({"kind": "stratified", "target": np.array(["a"] * 99 + ["b"])}, "kind"),
        ({"kind": "stratified", "target": np.array(["a"] * 100)}, "target"),
        ({"kind": "stratified", "target": np.arange(100) // 2}, "test_fraction"),
        ({"kind": "group"}, "group_column"),
        ({"kind": "group", "group_column": "gone"}, "group_column"),
        ({"kind": "group", "groups": np.zeros(100)}, "group_column"),
        ({"kind": "time"}, "time_column"),
        ({"kind": "time", "times": np.full(100, np.nan)}, "time_column"),
        ({"kind": "time", "times": np.zeros(100)}, "time_column"),
        ({"kind": "kfold", "n_folds": 1}, "n_folds"),
        ({"kind": "kfold", "n_folds": 101}, "n_folds"),
        ({"kind": "kfold", "group_column": "g", "groups": GROUPS, "n_folds": 26}, "n_folds"),
        ({"kind": "kfold", "target": TARGET, "is_classification": True, "n_folds": 11}, "n_folds"),
        ({"kind": "magic"}, "kind"),
    ],
)
def test_impossible_splits_name_the_setting(arguments, field):
    with pytest.raises(EngineError) as caught:
        split(**arguments)
    assert caught.value.code == "impossible_split"
    assert caught.value.details["field"] == field


def test_the_rare_class_is_named():
    with pytest.raises(EngineError, match="“b”"):
        split("stratified", target=np.array(["a"] * 99 + ["b"]))
