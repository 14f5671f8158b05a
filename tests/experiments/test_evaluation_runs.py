"""From training to report and predictions, on small tables with every kind of validation."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from experiments.data.specs import ColumnSchema, DatasetSchema, EngineError
from experiments.training.checkpoints import load_trained
from experiments.training.engine import train
from experiments.training.evaluation import evaluate
from experiments.training.predictions import export_predictions, read_predictions
from experiments.training.specs import TrainingSpec, ValidationSpec

SCHEMA = DatasetSchema(
    columns=(
        ColumnSchema("size", "size", "number", unit="km"),
        ColumnSchema("heat", "heat", "number"),
        ColumnSchema("moons", "moons", "integer", nullable=False),
        ColumnSchema("kind", "kind", "category"),
        ColumnSchema("ringed", "ringed", "boolean"),
        ColumnSchema("verdict", "verdict", "category"),
        ColumnSchema("mass", "mass", "number", unit="kg"),
    )
)
FEATURES = ("size", "heat", "moons", "kind", "ringed")


class QuietHooks:
    """Remembers stages and answers with a wish once a stage is reached."""

    def __init__(self, wish=None, at_stage=None):
        self.stages = []
        self.wish = wish
        self.at_stage = at_stage

    def stage(self, name, fraction):
        self.stages.append((name, fraction))

    def metrics(self, step, values):
        pass

    def progress(self, units_done, units_total, eta_s):
        pass

    def log(self, line):
        pass

    def should_stop(self):
        reached = any(name == self.at_stage for name, _ in self.stages)
        return self.wish if reached else None


def write_table(path, n_rows=240, *, seed=0, classes=("no", "yes"), extra_class=None):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "size": rng.normal(size=n_rows),
            "heat": rng.normal(size=n_rows),
            "moons": rng.integers(0, 9, size=n_rows),
            "kind": rng.choice(["rock", "gas", "ice"], size=n_rows),
            "ringed": rng.random(n_rows) > 0.5,
        }
    )
    signal = 2 * frame["size"] + (frame["kind"] == "gas") + 0.3 * rng.normal(size=n_rows)
    level = np.digitize(signal, np.linspace(-1, 1.5, len(classes) + 1)[1:-1])
    frame["verdict"] = np.array(classes)[level]
    frame["mass"] = signal + 50
    frame.loc[::10, "heat"] = np.nan
    if extra_class:
        frame.loc[:4, "verdict"] = extra_class
    # Some rows without a known answer: row numbers must still be those of the table.
    frame.loc[:2, ["verdict", "mass"]] = [None, np.nan]
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), path)
    return path


def make_spec(task="classification", model_type="hist_gradient_boosting", **values):
    small = {"hist_gradient_boosting": {"max_iter": 15}, "random_forest": {"n_estimators": 10}}
    target = "verdict" if task == "classification" else "mass"
    given = {"hyperparameters": small.get(model_type, {}), "features": FEATURES, "seed": 3}
    return TrainingSpec(target=target, task=task, model_type=model_type, **(given | values))


def run(tmp_path, spec, *, hooks=None, test_table=None, **table):
    path = write_table(tmp_path / "table.parquet", **table)
    work_dir = tmp_path / "work"
    train(spec, path, SCHEMA, work_dir=work_dir, hooks=QuietHooks(), test_table=test_table)
    hooks = hooks or QuietHooks()
    found = evaluate(spec, path, SCHEMA, work_dir=work_dir, hooks=hooks, test_table=test_table)
    return found, hooks, work_dir


def test_binary_run_has_the_whole_report(tmp_path):
    found, hooks, _ = run(tmp_path, make_spec())
    result = found.result
    json.dumps(result, allow_nan=False)
    assert result["metrics"]["accuracy"]["value"] > 0.8
    assert result["metrics"]["accuracy"]["value"] > result["metrics"]["accuracy"]["baseline"]
    assert result["thresholds"]["positive"] == "yes"
    assert {row["feature"] for row in result["feature_importance"]} == set(FEATURES)
    assert result["feature_importance"][0]["feature"] == "size"
    assert result["explanation"]["method"] == "tree"
    assert result["explanation"]["output"] == "log_odds"
    assert result["n_train"] + result["n_test"] == 237
    assert [name for name, _ in hooks.stages if name][0] == "evaluating"
    assert list(dict.fromkeys(name for name, _ in hooks.stages)) == [
        "evaluating", "importance", "explaining",
    ]  # fmt: skip
    assert found.status == "completed"


def test_predictions_carry_table_rows_actual_values_and_reasons(tmp_path):
    found, _, work_dir = run(tmp_path, make_spec())
    page = read_predictions({"path": str(found.predictions_path), "limit": 1000})
    assert page["count"] == found.result["n_test"]
    table = pq.read_table(tmp_path / "table.parquet").to_pandas()
    pipeline = load_trained(work_dir).pipeline
    for row in page["results"]:
        assert row["actual"] == table["verdict"][row["row"]]
        assert row["confidence"] == pytest.approx(max(row["probabilities"].values()), abs=1e-6)
        assert row["correct"] == (row["actual"] == row["prediction"])
        assert row["reasons"][0]["feature"] in FEATURES
        assert row["prediction"] in row["reasons"][0]["text"]
    assert pipeline.classes_.tolist() == ["no", "yes"]
    size = next(
        reason
        for row in page["results"]
        for reason in row["reasons"]
        if reason["feature"] == "size"
    )
    assert " km " in size["text"]


@pytest.mark.parametrize("model_type", ["hist_gradient_boosting", "knn", "svm", "mlp"])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_same_specification_gives_the_same_report_and_predictions(model_type, tmp_path):
    spec = make_spec(model_type=model_type)
    results, files = [], []
    for place in ("one", "two"):
        (tmp_path / place).mkdir()
        found, _, _ = run(tmp_path / place, spec)
        results.append(found.result)
        files.append(found.predictions_path.read_bytes())
    assert results[0] == results[1]
    assert files[0] == files[1]


def test_three_classes_explain_the_predicted_one(tmp_path):
    found, _, _ = run(tmp_path, make_spec(), classes=("low", "mid", "top"))
    assert found.result["thresholds"] is None
    assert len(found.result["roc_curve"]["classes"]) == 3
    assert set(found.result["explanation"]["base_value"]) <= {"low", "mid", "top"}


def test_regression_run_has_residuals_and_reasons_in_its_unit(tmp_path):
    found, _, _ = run(tmp_path, make_spec("regression", "ridge"))
    result = found.result
    json.dumps(result, allow_nan=False)
    assert result["metrics"]["r2"]["value"] > 0.8
    assert result["metrics"]["r2"]["baseline"] < 0.05
    assert result["residuals"]["sample"]["of_rows"] == result["n_test"]
    page = read_predictions({"path": str(found.predictions_path), "limit": 1})
    row = page["results"][0]
    assert row["error"] == pytest.approx(row["actual"] - row["prediction"])
    assert row["confidence"] is None
    assert "the prediction by" in row["reasons"][0]["text"]


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_k_fold_covers_every_row_once_with_intervals_over_folds(task, tmp_path):
    spec = make_spec(task, "decision_tree", validation=ValidationSpec(kind="kfold", n_folds=4))
    found, _, _ = run(tmp_path, spec)
    assert found.result["intervals"] == "folds 4"
    assert found.result["n_test"] == 237
    page = read_predictions({"path": str(found.predictions_path), "limit": 1000})
    assert [row["row"] for row in page["results"]] == list(range(3, 240))
    assert any("final model" in note for note in found.result["notes"])


def test_own_test_table_with_a_class_never_seen_counts_it_as_wrong(tmp_path):
    spec = make_spec(validation=ValidationSpec(kind="test_dataset"))
    test = write_table(tmp_path / "test.parquet", 60, seed=9, extra_class="maybe")
    found, _, _ = run(tmp_path, spec, test_table=test)
    result = found.result
    json.dumps(result, allow_nan=False)
    assert result["n_test"] == 57
    assert "maybe" in result["confusion_matrix"]["labels"]
    unseen = next(row for row in result["per_class"] if row["label"] == "maybe")
    assert unseen["support"] == 2
    assert unseen["recall"] == 0
    assert any("never saw" in note and "maybe" in note for note in result["notes"])


def test_machine_without_probabilities_gives_predictions_without_confidence(tmp_path):
    spec = make_spec(model_type="svm", hyperparameters={"probability": False})
    found, _, _ = run(tmp_path, spec, n_rows=90)
    assert found.result["metrics"]["roc_auc"]["value"] > 0.7
    assert found.result["metrics"]["log_loss"]["value"] is None
    row = read_predictions({"path": str(found.predictions_path), "limit": 1})["results"][0]
    assert row["confidence"] is None
    assert row["probabilities"] is None
    assert row["reasons"]


def test_stop_after_the_figures_keeps_them(tmp_path):
    found, _, _ = run(tmp_path, make_spec(), hooks=QuietHooks("stop", "importance"))
    assert found.status == "stopped"
    assert found.result["metrics"]["accuracy"]["value"] > 0.5
    assert found.result["feature_importance"] == []
    assert any("Stopped" in note for note in found.result["notes"])
    page = read_predictions({"path": str(found.predictions_path)})
    assert page["results"][0]["reasons"] == []


@pytest.mark.parametrize(
    ("wish", "stage"), [("pause", "importance"), ("pause", "explaining"), ("stop", "evaluating")]
)
def test_pause_or_an_early_stop_interrupts(wish, stage, tmp_path):
    with pytest.raises(EngineError) as caught:
        run(tmp_path, make_spec(), hooks=QuietHooks(wish, stage))
    assert caught.value.code == "evaluation_interrupted"
    assert caught.value.details["wish"] == wish
    assert not (tmp_path / "work" / "predictions.parquet").exists()


def test_nothing_learned_is_said_plainly(tmp_path):
    path = write_table(tmp_path / "table.parquet")
    with pytest.raises(EngineError) as caught:
        evaluate(make_spec(), path, SCHEMA, work_dir=tmp_path / "empty", hooks=QuietHooks())
    assert caught.value.code == "nothing_learned"


def test_predictions_are_filtered_sorted_and_paged(tmp_path):
    found, _, _ = run(tmp_path, make_spec(model_type="naive_bayes"))
    path = str(found.predictions_path)
    everything = read_predictions({"path": path, "limit": 1000})["results"]
    cells = found.result["confusion_matrix"]
    wrong = read_predictions({"path": path, "filters": {"actual": "no", "prediction": "yes"}})
    assert wrong["count"] == cells["counts"][0][1]
    assert all(row["actual"] == "no" and row["prediction"] == "yes" for row in wrong["results"])
    sure = read_predictions({"path": path, "filters": {"min_confidence": 0.9, "correct": True}})
    expected = [row for row in everything if row["correct"] and row["confidence"] >= 0.9]
    assert sure["count"] == len(expected)
    sort = {"column": "confidence", "descending": True}
    page = read_predictions({"path": path, "sort": sort, "offset": 5, "limit": 3})["results"]
    ordered = sorted(everything, key=lambda row: -row["confidence"])
    assert [row["row"] for row in page] == [row["row"] for row in ordered[5:8]]
    beyond = read_predictions({"path": path, "offset": 10_000})
    assert (beyond["count"], beyond["results"]) == (len(everything), [])


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"filters": {"colour": "red"}}, "invalid_filter"),
        ({"filters": {"min_confidence": "high"}}, "invalid_filter"),
        ({"filters": {"correct": "perhaps"}}, "invalid_filter"),
        ({"filters": {"row": 2**70}}, "invalid_filter"),
        ({"sort": {"column": "reasons"}}, "invalid_sort"),
        ({"offset": -1}, "invalid_page"),
        ({"limit": "many"}, "invalid_page"),
    ],
)
def test_impossible_wishes_about_predictions_are_refused(change, code, tmp_path):
    found, _, _ = run(tmp_path, make_spec(model_type="dummy"), n_rows=40)
    with pytest.raises(EngineError) as caught:
        read_predictions({"path": str(found.predictions_path), **change})
    assert caught.value.code == code


def test_predictions_are_exported_as_safe_csv_and_as_parquet(tmp_path):
    spec = make_spec(model_type="decision_tree")
    found, _, _ = run(tmp_path, spec, classes=("-no", "=yes()"))
    payload = {"path": str(found.predictions_path), "filters": {"actual": "=yes()"}}
    out = tmp_path / "out.csv"
    told = export_predictions(payload | {"out_path": str(out), "fmt": "csv"})
    frame = pd.read_csv(out)
    assert told["n_rows"] == len(frame) > 0
    assert set(frame["actual"]) == {"'=yes()"}
    assert "probability of =yes()" in frame.columns
    assert frame["reasons"].str.contains("pushes").all()
    out = tmp_path / "out.parquet"
    export_predictions(payload | {"out_path": str(out), "fmt": "parquet"})
    assert set(pq.read_table(out).column("actual").to_pylist()) == {"=yes()"}
    with pytest.raises(EngineError, match="xlsx"):
        export_predictions(payload | {"out_path": str(out), "fmt": "xlsx"})
