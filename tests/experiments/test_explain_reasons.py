"""Reasons: additive, summed back to source columns, repeatable, and readable."""

import numpy as np
import pandas as pd
import pytest

from experiments.data.specs import MISSING_CATEGORY
from experiments.training import explain as engine
from experiments.training.estimators import Facts, build_pipeline
from experiments.training.importance import (
    classifier_loss,
    columns_that_matter,
    permutation_importance,
)
from experiments.training.reasons import FeatureWords, row_reasons, shown_value
from experiments.training.specs import CATALOGUE, TrainingSpec

SMALL = {
    "hist_gradient_boosting": {"max_iter": 8},
    "random_forest": {"n_estimators": 10},
    "extra_trees": {"n_estimators": 10},
    "gradient_boosting": {"n_estimators": 10},
    "mlp": {"max_iter": 15, "hidden_layer_sizes": [8]},
    "sgd": {"max_iter": 20},
}
CASES = [
    (name, task)
    for name, entry in CATALOGUE.items()
    for task in ("binary", "several", "regression")
    if ("regression" if task == "regression" else "classification") in entry.tasks
]


def make_frame(n_rows: int = 160) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    frame = pd.DataFrame(
        {
            "size": rng.normal(size=n_rows),
            "heat": rng.normal(size=n_rows),
            "kind": rng.choice(["rock", "gas", "ice"], size=n_rows).astype(object),
            "place": rng.choice([f"p{n}" for n in range(60)], size=n_rows).astype(object),
        }
    )
    frame.loc[::9, "heat"] = np.nan
    frame.loc[::11, "kind"] = MISSING_CATEGORY
    return frame


def fit(name: str, case: str, frame: pd.DataFrame):
    signal = frame["size"] * 2 + (frame["kind"] == "gas") + frame["heat"].fillna(0) * 0.2
    task = "regression" if case == "regression" else "classification"
    if case == "regression":
        target = signal.to_numpy()
    elif case == "binary":
        target = np.where(signal > 0.3, "yes", "no")
    else:
        target = np.array(["low", "mid", "high"])[(signal > -1).astype(int) + (signal > 1.2)]
    spec = TrainingSpec(
        target="y",
        task=task,
        model_type=name,
        features=tuple(frame.columns),
        hyperparameters=SMALL.get(name, {}),
        seed=1,
    )
    codes = None if case == "regression" else np.unique(target, return_inverse=True)[1]
    facts = Facts.of(frame, ["size", "heat"], codes)
    return build_pipeline(spec, facts).fit(frame, target)


def model_output(pipeline, frame, state, explanation):
    """What contributions and base must sum up to, per row and class."""
    model = pipeline[-1]
    if not hasattr(model, "classes_"):
        return pipeline.predict(frame)
    if explanation.output == "probability":
        values = pipeline.predict_proba(frame)
    else:
        values = pipeline.decision_function(frame)
        if values.ndim == 1:
            values = np.column_stack([-values, values])
    said = np.searchsorted(model.classes_, pipeline.predict(frame))
    return values[np.arange(len(frame)), said]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(("name", "case"), CASES)
def test_contributions_add_up_to_what_the_model_says(name, case):
    frame = make_frame()
    pipeline = fit(name, case, frame)
    state = engine.prepare_explainer(pipeline, frame, seed=3)
    some = frame.iloc[:6].reset_index(drop=True)
    said = None
    if case != "regression":
        said = np.searchsorted(pipeline[-1].classes_, pipeline.predict(some))
    again = engine.ExplainerState.from_json(state.to_json())
    found = engine.explain(pipeline, some, said, again)
    if name == "dummy":
        assert found is None
        return
    assert found.contributions.shape == (6, 4)
    total = found.base + found.contributions.sum(axis=1)
    expected = model_output(pipeline, some, state, found)
    assert total == pytest.approx(expected, abs=1e-6)


def test_same_rows_get_the_same_sampled_reasons_whatever_follows():
    frame = make_frame()
    pipeline = fit("knn", "several", frame)
    state = engine.prepare_explainer(pipeline, frame, seed=3)
    said = np.searchsorted(pipeline[-1].classes_, pipeline.predict(frame))
    few = engine.explain(pipeline, frame.iloc[:5], said[:5], state)
    more = engine.explain(pipeline, frame.iloc[:10], said[:10], state)
    assert np.array_equal(few.contributions, more.contributions[:5])


def test_sampling_ends_with_its_budget_and_keeps_what_it_has(monkeypatch):
    frame = make_frame()
    pipeline = fit("knn", "binary", frame)
    state = engine.prepare_explainer(pipeline, frame, seed=3)
    clock = iter(range(0, 1000, 10))
    monkeypatch.setattr(engine.time, "monotonic", lambda: next(clock))
    said = np.zeros(len(frame), dtype=np.int64)
    found = engine.explain(pipeline, frame, said, state, budget_s=25)
    assert len(found.contributions) == 2 * engine.SAMPLED_CHUNK_ROWS


def test_slow_types_explain_fewer_rows_by_estimate_not_by_clock(monkeypatch):
    frame = make_frame()
    pipeline = fit("knn", "binary", frame)
    state = engine.prepare_explainer(pipeline, frame, seed=3)
    said = np.zeros(len(frame), dtype=np.int64)
    assert len(engine.explain(pipeline, frame, said, state).contributions) == len(frame)
    # Seven rows in pieces of three: the last piece is a short one.
    monkeypatch.setattr(engine, "MIN_SAMPLED_ROWS", 7)
    monkeypatch.setattr(engine, "SAMPLED_CHUNK_ROWS", 3)
    monkeypatch.setattr(engine, "NEIGHBOUR_S", 1.0)
    found = engine.explain(pipeline, frame, said, state)
    assert len(found.contributions) == 7


def test_large_forests_fall_back_to_path_attribution(monkeypatch):
    frame = make_frame()
    pipeline = fit("random_forest", "binary", frame)
    state = engine.prepare_explainer(pipeline, frame, seed=3)
    assert engine.choose_tree_method(pipeline, state, 100).method == "tree"
    monkeypatch.setattr(engine, "TREE_STEPS_PER_S", 1.0)
    assert engine.choose_tree_method(pipeline, state, 100).method == "tree_approximate"


def test_stop_wish_ends_explaining_at_once():
    class GiveUpError(Exception):
        pass

    def refuse():
        raise GiveUpError

    frame = make_frame()
    pipeline = fit("decision_tree", "binary", frame)
    state = engine.prepare_explainer(pipeline, frame, seed=3)
    with pytest.raises(GiveUpError):
        engine.explain(pipeline, frame, None, state, check_stop=refuse)


def make_reasons(value, share, *, words, toward=("FALSE POSITIVE",)):
    frame = pd.DataFrame({"koi_prad": [value]})
    return row_reasons(frame, np.array([[share]]), {"koi_prad": words}, toward)[0]


def test_reason_names_value_unit_and_direction():
    words = FeatureWords("number", "Earth radii")
    reason = make_reasons(33.5, 0.8, words=words)[0]
    assert reason["text"] == "koi_prad = 33.5 Earth radii pushes towards FALSE POSITIVE"
    assert reason["value"] == 33.5
    assert reason["contribution"] == 0.8
    away = make_reasons(33.5, -0.8, words=FeatureWords("number"))[0]
    assert away["text"] == "koi_prad = 33.5 pushes away from FALSE POSITIVE"


def test_reason_of_a_missing_value_says_so():
    reason = make_reasons(np.nan, 0.5, words=FeatureWords("number", "K"))[0]
    assert reason["value"] is None
    assert reason["text"] == "koi_prad is missing, which pushes towards FALSE POSITIVE"


def test_reason_for_a_number_says_by_how_much():
    reason = make_reasons(2.0, -1.25, words=FeatureWords("integer"), toward=None)[0]
    assert reason["text"] == "koi_prad = 2 lowers the prediction by 1.25"


def test_silent_features_give_no_reason():
    assert make_reasons(1.0, 0.0, words=FeatureWords("number")) == []


def test_strongest_reasons_come_first_and_few():
    frame = pd.DataFrame({f"f{n}": [float(n)] for n in range(9)})
    shares = np.array([[0.1, -0.9, 0.3, 0.2, 0.8, -0.05, 0.6, 0.01, 0.02]])
    found = row_reasons(frame, shares, {}, ["yes"])[0]
    assert [item["feature"] for item in found] == ["f1", "f4", "f6", "f2", "f3"]


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (1.0, "boolean", True),
        (0.0, "datetime", "1970-01-01 00:00:00"),
        (7.0, "integer", 7),
        (7.25, "number", 7.25),
        (MISSING_CATEGORY, "category", None),
        ("gas", "category", "gas"),
        (np.inf, "number", None),
    ],
)
def test_values_are_shown_as_people_know_them(value, kind, expected):
    assert shown_value(value, FeatureWords(kind)) == expected


def test_importance_finds_the_column_that_decides():
    frame = make_frame()
    pipeline = fit("hist_gradient_boosting", "binary", frame)
    labels = [str(name) for name in pipeline[-1].classes_]
    actual = np.searchsorted(pipeline[-1].classes_, pipeline.predict(frame))
    loss, name = classifier_loss(pipeline, actual, labels)
    seen = []
    rows = permutation_importance(
        loss, frame, list(frame.columns), seed=1, check_stop=lambda: None, on_fraction=seen.append
    )
    assert name == "log_loss"
    assert rows[0]["feature"] == "size"
    assert rows[0]["mean"] > 0
    assert {row["feature"] for row in rows} == set(frame.columns)
    assert seen[-1] == 1.0
    again = permutation_importance(
        loss, frame, list(frame.columns), seed=1, check_stop=lambda: None, on_fraction=seen.append
    )
    assert again == rows


def test_of_very_many_columns_those_that_decide_are_measured():
    rng = np.random.default_rng(5)
    frame = pd.DataFrame(rng.normal(size=(60, 900)), columns=[f"c{n}" for n in range(900)])

    def loss(rows):
        said = rows["c7"].to_numpy() + rows["c888"].to_numpy()
        truth = (frame["c7"] + frame["c888"]).to_numpy()
        return np.array([np.abs(part - truth).mean() for part in said.reshape(-1, len(frame))])

    chosen = columns_that_matter(loss, frame, seed=1, check_stop=lambda: None)
    assert len(chosen) == 300
    assert {"c7", "c888"} <= set(chosen)
    few = frame[["c1", "c2"]]
    assert columns_that_matter(loss, few, seed=1, check_stop=lambda: None) == ["c1", "c2"]
