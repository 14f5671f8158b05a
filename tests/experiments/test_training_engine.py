"""Training on a small table: every model type, every validation, what is kept and what is told."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.base import clone

from experiments.data.specs import ColumnSchema, DatasetSchema, EngineError
from experiments.training import engine, estimators
from experiments.training.checkpoints import TrainedModel, load_trained
from experiments.training.frames import TrainingTable, load_training_table, numeric_features
from experiments.training.hooks import TrainOutcome
from experiments.training.labels import Labels
from experiments.training.specs import CATALOGUE, TrainingSpec, ValidationSpec
from tests.experiments.training_samples import (
    FEATURES,
    Recorder,
    make_spec,
    sample_frame,
    write_sample,
)

PAIRS = [(name, task) for name, entry in CATALOGUE.items() for task in entry.tasks]
# Epochs shuffle otherwise than a plain fit; a standardised target is another problem to round.
NOT_LIKE_PLAIN = ("sgd", "mlp")
SAFE_TYPES = {
    "numpy.dtype",
    "sklearn.tree._tree.Tree",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
}


class Bench:
    """One small table on disk and runs over it, each in its own folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "table.parquet"
        self.schema = write_sample(self.path)
        self.runs = 0

    def write(self, frame: pd.DataFrame, name: str = "table.parquet") -> Path:
        """Replace the table, or write another one."""
        write_sample(self.folder / name, frame)
        return self.folder / name

    def train(
        self, spec: TrainingSpec, hooks: Recorder | None = None, **values: Any
    ) -> tuple[TrainOutcome, TrainedModel]:
        """Train in a fresh folder and return outcome and model."""
        self.runs += 1
        work_dir = self.folder / f"run{self.runs}"
        outcome = engine.train(
            spec, self.path, self.schema, work_dir=work_dir, hooks=hooks or Recorder(), **values
        )
        return outcome, load_trained(work_dir)

    def table(self, spec: TrainingSpec) -> TrainingTable:
        """Return the table as the engine sees it."""
        return load_training_table(spec, self.path, self.schema)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def answers(trained: TrainedModel, features: pd.DataFrame) -> np.ndarray:
    """Return probabilities where there are any, else predictions."""
    pipeline = trained.pipeline
    return np.asarray(
        pipeline.predict_proba(features)
        if trained.has_probabilities
        else pipeline.predict(features)
    )


@pytest.mark.parametrize(("name", "task"), PAIRS)
def test_every_type_learns_and_answers_with_labels_or_numbers(
    bench: Bench, name: str, task: str
) -> None:
    hooks = Recorder()
    outcome, trained = bench.train(make_spec(name, task), hooks)
    table = bench.table(make_spec(name, task))
    assert outcome.status == "completed"
    assert outcome.units_done == outcome.units_total
    assert trained.complete
    predicted = trained.pipeline.predict(table.features)
    if task == "classification":
        assert trained.classes == ("dust", "planet", "star")
        assert list(trained.pipeline.classes_) == list(trained.classes)
        assert set(predicted) <= set(trained.classes)
        assert trained.pipeline.predict_proba(table.features).shape == (240, 3)
    else:
        assert trained.classes is None
        assert predicted.dtype == np.float64
    if name != "dummy":
        right = (
            np.mean(predicted == table.target)
            if task == "classification"
            else 1 - np.mean((predicted - table.target) ** 2) / np.var(table.target)
        )
        assert right > 0.4
    done, total, _ = hooks.progressed[-1]
    assert done == total == outcome.units_total


@pytest.mark.parametrize(("name", "task"), PAIRS)
def test_learning_in_steps_equals_the_plain_fit(bench: Bench, name: str, task: str) -> None:
    if name in NOT_LIKE_PLAIN:
        pytest.skip("epochs shuffle otherwise")
    spec = make_spec(name, task)
    _, trained = bench.train(spec)
    table = bench.table(spec)
    rows = table.locate(trained.train_rows)
    features, target = table.features.iloc[rows], table.target[rows]
    codes = Labels.of(target).encode(target) if task == "classification" else None
    facts = estimators.Facts.of(features, numeric_features(spec, bench.schema), codes)
    plain = clone(estimators.build_pipeline(spec, facts)).fit(features, target)
    ask = "predict_proba" if task == "classification" else "predict"
    expected = getattr(plain, ask)(table.features)
    assert np.array_equal(getattr(trained.pipeline, ask)(table.features), expected)
    assert np.array_equal(trained.pipeline.predict(table.features), plain.predict(table.features))


@pytest.mark.parametrize(("name", "task"), PAIRS)
def test_the_same_specification_gives_the_same_model(bench: Bench, name: str, task: str) -> None:
    spec = make_spec(name, task, seed=5)
    features = bench.table(spec).features
    first, again = (answers(bench.train(spec)[1], features) for _ in range(2))
    assert np.array_equal(first, again)


@pytest.mark.parametrize(("name", "task"), PAIRS)
def test_every_model_survives_the_safe_format_with_the_frozen_list(
    bench: Bench, name: str, task: str
) -> None:
    options = {"missing_indicator": True} if name not in ("hist_gradient_boosting", "dummy") else {}
    _, trained = bench.train(make_spec(name, task, hyperparameters=options))
    stored = skops.io.dumps(trained.pipeline)
    needed = set(skops.io.get_untrusted_types(data=stored))
    assert needed <= SAFE_TYPES
    loaded = skops.io.loads(stored, trusted=sorted(needed))
    features = bench.table(make_spec(name, task)).features
    assert np.array_equal(loaded.predict(features), trained.pipeline.predict(features))


@pytest.mark.parametrize("scaling", ["standard", "robust", "quantile", "none"])
def test_sources_of_prepared_columns_are_known(bench: Bench, scaling: str) -> None:
    spec = make_spec("knn", hyperparameters={"scaling": scaling, "missing_indicator": True})
    _, trained = bench.train(spec)
    sources = estimators.source_columns(trained.pipeline)
    prepared = trained.pipeline[0].transform(bench.table(spec).features)
    assert len(sources) == prepared.shape[1]
    assert set(sources) == set(FEATURES)
    assert sources.count("colour") == 3
    assert sources.count("town") == 3  # more than 50 levels: one column per class
    assert sources.count("b") == 2  # the number and the mark of missing values


def test_unknown_categories_and_missing_numbers_are_predicted(bench: Bench) -> None:
    rows = pd.DataFrame(
        {"a": [np.nan], "b": [np.nan], "c": [np.nan], "colour": ["violet"], "town": ["nowhere"]}
    ).assign(flag=np.nan)
    for name in CATALOGUE:
        task = CATALOGUE[name].tasks[0]
        _, trained = bench.train(make_spec(name, task))
        assert len(trained.pipeline.predict(rows[list(FEATURES)])) == 1


@pytest.mark.parametrize("name", ["random_forest", "hist_gradient_boosting", "mlp"])
def test_held_out_rows_have_no_influence_on_the_model(bench: Bench, name: str) -> None:
    spec = make_spec(name, kind="split", hyperparameters={"early_stopping": True})
    _, before = bench.train(spec)
    features = bench.table(spec).features
    expected = answers(before, features)
    frame = sample_frame()
    frame.loc[before.test_rows, ["a", "b"]] = 1000.0
    frame.loc[before.test_rows, "kind"] = "star"
    bench.write(frame)
    _, after = bench.train(spec)
    assert np.array_equal(after.test_rows, before.test_rows)
    assert np.array_equal(answers(after, features), expected)


@pytest.mark.parametrize("kind", ["split", "stratified", "group", "time"])
def test_rows_are_either_learned_from_or_held_out(bench: Bench, kind: str) -> None:
    spec = make_spec(
        validation=ValidationSpec(kind=kind, group_column="star", time_column="when")  # type: ignore[arg-type]  # parametrised
    )
    _, trained = bench.train(spec)
    both = np.concatenate([trained.train_rows, trained.test_rows])
    assert sorted(both) == list(range(240))
    if kind == "group":
        assert not set(trained.train_rows // 4) & set(trained.test_rows // 4)
    if kind == "time":
        assert trained.train_rows.max() < trained.test_rows.min()


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_folds_predict_every_row_once_and_the_kept_model_learns_from_all(
    bench: Bench, task: str
) -> None:
    hooks = Recorder()
    outcome, trained = bench.train(make_spec("random_forest", task, kind="kfold"), hooks)
    assert outcome.units_total == 4 * 8
    assert trained.oof is not None
    assert list(trained.oof.rows) == list(range(240))
    assert sorted(set(trained.oof.folds)) == [1, 2, 3]
    assert len(trained.train_rows) == 240
    assert len(trained.test_rows) == 0
    if task == "classification":
        assert trained.oof.probabilities is not None
        assert trained.oof.probabilities.sum(axis=1) == pytest.approx(1.0)
        assert trained.classes is not None
        best = np.asarray(trained.classes)[trained.oof.probabilities.argmax(axis=1)]
        assert np.mean(best == trained.oof.predictions) > 0.99
        assert np.mean(trained.oof.predictions == bench.table(make_spec()).target) > 0.6
    names = {name.split("/")[0] for _, values in hooks.points for name in values}
    assert {"fold_1", "fold_2", "fold_3"} <= names


def test_test_dataset_is_measured_on_and_all_rows_are_learned_from(bench: Bench) -> None:
    other = bench.write(sample_frame(60, seed=9), "test.parquet")
    hooks = Recorder()
    _, trained = bench.train(make_spec(kind="test_dataset"), hooks, test_table=other)
    assert len(trained.train_rows) == 240
    assert trained.test_table
    assert list(trained.test_rows) == list(range(60))
    assert "validation_loss" in hooks.points[-1][1]


def test_test_dataset_without_a_column_is_refused_by_name(bench: Bench) -> None:
    other = bench.write(sample_frame(60).drop(columns=["colour"]), "test.parquet")
    with pytest.raises(EngineError, match="colour") as caught:
        bench.train(make_spec(kind="test_dataset"), test_table=other)
    assert caught.value.code == "unknown_column"


def test_curves_name_loss_and_quality_of_both_samples(bench: Bench) -> None:
    hooks = Recorder()
    bench.train(make_spec("hist_gradient_boosting"), hooks)
    step, values = hooks.points[-1]
    assert step == 8
    assert set(values) == {
        "train_loss", "train_accuracy", "validation_loss", "validation_accuracy",
    }  # fmt: skip
    hooks = Recorder()
    bench.train(make_spec("mlp", "regression"), hooks)
    assert set(hooks.points[-1][1]) == {
        "train_rmse", "train_r2", "validation_rmse", "validation_r2",
    }  # fmt: skip


@pytest.mark.parametrize(
    "name", ["random_forest", "hist_gradient_boosting", "sgd", "mlp", "gradient_boosting"]
)
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_last_point_of_the_curve_is_the_quality_of_the_model(
    bench: Bench, name: str, task: str
) -> None:
    hooks = Recorder()
    spec = make_spec(name, task)
    _, trained = bench.train(spec, hooks)
    table = bench.table(spec)
    rows = table.locate(trained.test_rows)
    predicted = trained.pipeline.predict(table.features.iloc[rows])
    values = hooks.points[-1][1]
    if task == "classification":
        accuracy = np.mean(predicted == table.target[rows])
        assert values["validation_accuracy"] == pytest.approx(accuracy, abs=0.02)
    else:
        rmse = np.sqrt(np.mean((predicted - table.target[rows]) ** 2))
        assert values["validation_rmse"] == pytest.approx(rmse, rel=1e-5)


def test_rows_without_a_target_are_left_out_and_said_so(bench: Bench) -> None:
    frame = sample_frame()
    frame.loc[:9, "kind"] = None
    bench.write(frame)
    outcome, trained = bench.train(make_spec())
    assert min(trained.train_rows.min(), trained.test_rows.min()) == 10
    assert any("10 rows without a target" in note for note in outcome.notes)


@pytest.mark.parametrize(
    ("column", "labels"), [("c", {"0", "1", "2", "3"}), ("flag", {"false", "true"})]
)
def test_numbers_and_booleans_become_plain_labels(
    bench: Bench, column: str, labels: set[str]
) -> None:
    frame = sample_frame()
    frame["c"] %= 4
    bench.write(frame)
    _, trained = bench.train(make_spec(target=column, features=("a", "b")))
    assert set(trained.classes or ()) == labels


def test_balanced_weights_help_the_rare_class(bench: Bench) -> None:
    frame = sample_frame(400)
    rare = np.random.default_rng(1).random(400) < 0.08
    frame["kind"] = np.where(rare & (frame["a"] > 0), "rare", "usual")
    bench.write(frame)
    found = {}
    for weight in ("none", "balanced"):
        spec = make_spec("logistic_regression", hyperparameters={"class_weight": weight})
        _, trained = bench.train(spec)
        found[weight] = np.sum(trained.pipeline.predict(bench.table(spec).features) == "rare")
    assert found["balanced"] > found["none"]


def test_early_stopping_keeps_the_best_state_and_says_so(bench: Bench) -> None:
    frame = sample_frame()
    frame["kind"] = np.random.default_rng(3).permutation(frame["kind"])
    bench.write(frame)
    spec = make_spec(
        "hist_gradient_boosting",
        hyperparameters={"max_iter": 200, "early_stopping": True, "patience": 2},
    )
    outcome, trained = bench.train(spec)
    assert trained.pipeline[-1].n_iter_ < 50
    assert any("best state" in note for note in outcome.notes)
    assert any("set aside" in note for note in outcome.notes)
    assert not set(trained.test_rows) & set(trained.train_rows)
    assert len(trained.train_rows) + len(trained.test_rows) < 240


def test_time_limit_ends_learning_and_the_run_is_complete(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = iter(np.arange(0.0, 1e6, 0.2))
    monkeypatch.setattr(engine, "Beat", lambda hooks: _beat_with(hooks, lambda: next(ticks)))
    spec = make_spec(hyperparameters={"n_estimators": 500}, time_limit_s=5.0)
    outcome, trained = bench.train(spec)
    assert outcome.status == "completed"
    assert 0 < outcome.units_done < 500
    assert not outcome.deterministic
    assert any("time limit reached after" in note for note in outcome.notes)
    assert len(trained.pipeline[-1].estimators_) == outcome.units_done


def _beat_with(hooks: Recorder, clock: Callable[[], float]) -> Any:
    from experiments.training.control import Beat  # noqa: PLC0415 - the original, unpatched

    return Beat(hooks, clock=clock)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"kind": "planet"}, "one_class"),
        ({"kind": None}, "no_target_values"),
    ],
)
def test_target_with_nothing_to_learn_is_refused(
    bench: Bench, change: dict[str, object], code: str
) -> None:
    bench.write(sample_frame().assign(**change))
    with pytest.raises(EngineError) as caught:
        bench.train(make_spec(kind="split"))
    assert caught.value.code == code


def test_text_target_cannot_be_regressed(bench: Bench) -> None:
    with pytest.raises(EngineError) as caught:
        bench.train(make_spec("random_forest", "regression", target="kind"))
    assert caught.value.code == "target_not_numeric"


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_diverging_network_fails_in_plain_words(bench: Bench) -> None:
    spec = make_spec(
        "mlp",
        "regression",
        features=("a", "c"),
        hyperparameters={"scaling": "none", "solver": "sgd", "learning_rate_init": 1.0},
    )
    frame = sample_frame()
    frame["c"] = frame["c"] * 10**9
    bench.write(frame)
    with pytest.raises(EngineError, match="could not learn") as caught:
        bench.train(spec)
    assert caught.value.code == "fit_failed"
    assert caught.value.details["stage"] == "fitting"


def test_infinite_and_huge_numbers_count_as_missing(tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": np.linspace(0, 1, 50), "y": ["u", "v"] * 25})
    frame.loc[[3, 4, 5], "x"] = [np.inf, -np.inf, 1e300]
    frame.to_parquet(tmp_path / "t.parquet")
    schema = DatasetSchema((ColumnSchema("x", "x", "number"), ColumnSchema("y", "y", "category")))
    spec = make_spec(target="y", features=("x",))
    outcome = engine.train(
        spec, tmp_path / "t.parquet", schema, work_dir=tmp_path / "run", hooks=Recorder()
    )
    assert outcome.status == "completed"
