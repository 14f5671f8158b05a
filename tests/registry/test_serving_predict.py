"""Serving: input by name, clear refusals, equal answers for rows and files, reasons on demand."""

import json
import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from experiments.data.specs import ColumnSchema, DatasetSchema, EngineError
from experiments.training.engine import train
from experiments.training.evaluation import evaluate
from experiments.training.predictions import read_predictions
from experiments.training.specs import TrainingSpec
from registry.serving import predict as serving
from registry.serving.input_rows import frame_from_rows
from registry.serving.model_card import model_card
from registry.serving.packaging import package_model
from registry.serving.specs import InputContract

SCHEMA = DatasetSchema(
    columns=(
        ColumnSchema("row_id", "row_id", "integer", nullable=False),
        ColumnSchema("size", "size", "number", unit="km", description="Mean radius"),
        ColumnSchema("heat", "heat", "number"),
        ColumnSchema("moons", "moons", "integer", nullable=False),
        ColumnSchema("seen_at", "seen_at", "datetime"),
        ColumnSchema("kind", "kind", "category"),
        ColumnSchema("ringed", "ringed", "boolean"),
        ColumnSchema("verdict", "verdict", "category"),
        ColumnSchema("mass", "mass", "number", unit="kg"),
    )
)
FEATURES = ("size", "heat", "moons", "seen_at", "kind", "ringed")
GOOD = {
    "size": 1.5,
    "heat": None,
    "moons": 3,
    "seen_at": "2020-05-01T12:00:00",
    "kind": "gas",
    "ringed": True,
}


class QuietHooks:
    def stage(self, name, fraction):
        pass

    def metrics(self, step, values):
        pass

    def progress(self, units_done, units_total, eta_s):
        pass

    def log(self, line):
        pass

    def should_stop(self):
        return None


def make_frame(n_rows=200):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "row_id": np.arange(n_rows),
            "size": rng.normal(size=n_rows),
            "heat": rng.normal(size=n_rows),
            "moons": rng.integers(0, 9, size=n_rows),
            "seen_at": pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(n_rows), unit="D"),
            "kind": rng.choice(["rock", "gas", "ice"], size=n_rows),
            "ringed": rng.random(n_rows) > 0.5,
        }
    )
    signal = 2 * frame["size"] + (frame["kind"] == "gas")
    frame["verdict"] = np.where(signal > 0.3, "yes", "no")
    frame["mass"] = signal + 50
    frame.loc[::10, "heat"] = np.nan
    return frame


def write(frame, path):
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), path)
    return path


@pytest.fixture(scope="module", params=["classification", "regression"])
def served(request, tmp_path_factory):
    return serve(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    return serve(tmp_path_factory.mktemp("classifier"), "classification")


def serve(folder, task):
    table = write(make_frame(), folder / "table.parquet")
    spec = TrainingSpec(
        target="verdict" if task == "classification" else "mass",
        task=task,
        model_type="hist_gradient_boosting",
        features=FEATURES,
        hyperparameters={"max_iter": 15},
        seed=1,
    )
    work_dir = folder / "work"
    train(spec, table, SCHEMA, work_dir=work_dir, hooks=QuietHooks())
    found = evaluate(spec, table, SCHEMA, work_dir=work_dir, hooks=QuietHooks())
    manifest = package_model(
        spec,
        table,
        SCHEMA,
        work_dir=work_dir,
        model_path=folder / "model.skops",
        dataset_sha256="ab" * 32,
        result=found.result,
    )
    # As it comes back from the database.
    manifest = json.loads(serving.manifest_text(manifest))
    return {
        "folder": folder,
        "table": table,
        "manifest": manifest,
        "model": folder / "model.skops",
        "evaluation": found,
    }


def ask(served, rows, **more):
    payload = {"model_path": str(served["model"]), "manifest": served["manifest"], "rows": rows}
    return serving.predict_rows(json.loads(json.dumps(payload | more)))


def refused(served, rows, **more):
    with pytest.raises(EngineError) as caught:
        ask(served, rows, **more)
    return caught.value


def test_rows_typed_by_hand_get_what_the_evaluation_said(served):
    stored = read_predictions({"path": str(served["evaluation"].predictions_path), "limit": 1000})
    table = make_frame()
    rows = []
    for item in stored["results"]:
        values = {name: table[name].tolist()[item["row"]] for name in FEATURES}
        values["seen_at"] = values["seen_at"].isoformat()
        rows.append({name: None if is_nan(value) else value for name, value in values.items()})
    answer = ask(served, rows)["predictions"]
    assert [item["prediction"] for item in answer] == [r["prediction"] for r in stored["results"]]


def is_nan(value):
    return isinstance(value, float) and math.isnan(value)


def test_the_order_of_columns_does_not_matter(served):
    turned = dict(reversed(GOOD.items()))
    assert ask(served, [GOOD]) == ask(served, [turned])


def test_classifier_gives_confidence_and_probabilities(classifier):
    item = ask(classifier, [GOOD])["predictions"][0]
    assert item["prediction"] == "yes"
    assert item["confidence"] == max(item["probabilities"].values())
    assert sum(item["probabilities"].values()) == pytest.approx(1)
    assert set(item["probabilities"]) == {"no", "yes"}


def test_reasons_for_new_values_carry_units(classifier):
    item = ask(classifier, [GOOD], explain=True)["predictions"][0]
    texts = [reason["text"] for reason in item["reasons"]]
    assert any(text == "size = 1.5 km pushes towards yes" for text in texts)


def test_a_missing_column_is_named_with_what_is_expected(classifier):
    rows = [{name: value for name, value in GOOD.items() if name not in {"size", "kind"}}]
    error = refused(classifier, rows)
    assert error.code == "input_schema_mismatch"
    assert error.details["missing"] == ["size", "kind"]
    assert "Missing columns: size, kind." in error.message
    assert [item["name"] for item in error.details["expected"]] == list(FEATURES)
    json.dumps(error.to_json(), allow_nan=False)


def test_an_unknown_column_is_named(classifier):
    error = refused(classifier, [GOOD | {"colour": "red"}])
    assert error.details["unknown"] == ["colour"]
    assert "colour" in error.message


def test_columns_of_the_dataset_that_the_model_left_out_are_ignored(classifier):
    with_more = GOOD | {"verdict": "no", "row_id": 7, "mass": 1.0}
    assert ask(classifier, [with_more]) == ask(classifier, [GOOD])


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("size", "large"),
        ("size", True),
        ("size", [1]),
        ("size", {"a": 1}),
        ("size", "inf"),
        ("size", "1e999"),
        ("moons", 2.5),
        ("ringed", "perhaps"),
        ("ringed", 7),
        ("seen_at", "yesterday"),
        ("seen_at", 12),
        ("kind", ["gas"]),
        ("kind", True),
    ],
)
def test_a_value_of_the_wrong_type_is_named_with_row_and_column(column, value, classifier):
    error = refused(classifier, [GOOD, GOOD | {column: value}])
    assert error.code == "input_schema_mismatch"
    assert error.details["wrong_type"][0]["row"] == 1
    assert error.details["wrong_type"][0]["column"] == column
    assert f"Row 2, column {column}" in error.message


def test_an_empty_value_is_refused_only_where_training_saw_none(classifier):
    assert refused(classifier, [GOOD | {"moons": None}]).details["empty"] == ["moons"]
    empty = GOOD | {"size": "", "heat": None, "kind": None, "seen_at": None, "ringed": " "}
    assert ask(classifier, [empty])["predictions"][0]["prediction"] in {"yes", "no"}


def test_unseen_categories_and_numbers_as_text_are_fine(classifier):
    given = GOOD | {"kind": "plasma", "size": " 1.5 ", "moons": "3", "ringed": "yes"}
    assert ask(classifier, [given])["predictions"][0]["prediction"] in {"yes", "no"}


@pytest.mark.parametrize("rows", [[], {}, None, "x", [1], [[1, 2]], [None]])
def test_rows_of_another_shape_are_refused(rows, classifier):
    assert refused(classifier, rows).code == "input_schema_mismatch"


def test_too_many_rows_at_once_are_refused(classifier):
    assert refused(classifier, [GOOD] * 1_001).code == "too_many_rows"
    assert refused(classifier, [GOOD] * 21, explain=True).code == "too_many_rows"
    assert len(ask(classifier, [GOOD] * 1_000)["predictions"]) == 1_000


def test_dates_with_an_offset_are_folded_into_utc():
    manifest = {"features": [{"name": "at", "type": "datetime", "nullable": True}]}
    rows = [{"at": "1970-01-01T02:00:00+02:00"}, {"at": "1970-01-02"}]
    frame = frame_from_rows(rows, InputContract.from_manifest(manifest))
    assert frame["at"].tolist() == [0.0, 86_400.0]


def test_a_file_is_predicted_in_pieces_with_its_own_columns_beside(served, monkeypatch):
    monkeypatch.setattr(serving, "FILE_CHUNK_ROWS", 64)
    out = served["folder"] / "out.parquet"
    fractions = []
    told = serving.predict_file(
        served["model"],
        served["manifest"],
        served["table"],
        SCHEMA,
        out,
        lambda fraction, stage: fractions.append(fraction),
        lambda: False,
    )
    written = pq.read_table(out).to_pylist()
    assert told["n_rows"] == len(written) == 200
    assert fractions == [0.32, 0.64, 0.96, 1.0]
    assert [row["row"] for row in written] == list(range(200))
    assert written[5]["row_id"] == 5
    stored = read_predictions({"path": str(served["evaluation"].predictions_path), "limit": 1000})
    for item in stored["results"]:
        assert written[item["row"]]["prediction"] == item["prediction"]


def test_predicted_files_are_exported_without_formulas(classifier, tmp_path):
    frame = make_frame(30).assign(kind=["=cmd|x", "gas", "@a"] * 10)
    out = tmp_path / "out.parquet"
    serving.predict_file(
        classifier["model"],
        classifier["manifest"],
        write(frame, tmp_path / "t.parquet"),
        SCHEMA,
        out,
        lambda fraction, stage: None,
        lambda: False,
    )
    told = serving.export_file({"path": str(out), "out_path": str(tmp_path / "out.csv")})
    back = pd.read_csv(tmp_path / "out.csv")
    assert told["n_rows"] == len(back) == 30
    assert set(back["kind"]) == {"'=cmd|x", "gas", "'@a"}
    assert back["prediction"].isin(["yes", "no"]).all()


def test_a_file_that_lacks_columns_is_refused_before_work(classifier, tmp_path):
    frame = make_frame(5).drop(columns=["size"]).assign(kind=[1.5] * 5, moons=["a"] * 5)
    columns = tuple(
        ColumnSchema(c.name, c.name, {"moons": "text", "kind": "number"}.get(c.name, c.type))
        for c in SCHEMA.columns
        if c.name != "size"
    )
    table = write(frame, tmp_path / "t.parquet")
    with pytest.raises(EngineError) as caught:
        serving.predict_file(
            classifier["model"],
            classifier["manifest"],
            table,
            DatasetSchema(columns=columns),
            tmp_path / "out.parquet",
            lambda fraction, stage: None,
            lambda: False,
        )
    assert caught.value.details["missing"] == ["size"]
    assert [item["column"] for item in caught.value.details["wrong_type"]] == ["moons"]
    assert [path.name for path in tmp_path.iterdir()] == ["t.parquet"]


def test_a_stopped_file_leaves_nothing_behind(classifier, tmp_path, monkeypatch):
    monkeypatch.setattr(serving, "FILE_CHUNK_ROWS", 64)
    wishes = iter([False, True])
    with pytest.raises(EngineError) as caught:
        serving.predict_file(
            classifier["model"],
            classifier["manifest"],
            classifier["table"],
            SCHEMA,
            tmp_path / "out.parquet",
            lambda fraction, stage: None,
            lambda: next(wishes),
        )
    assert caught.value.code == "prediction_stopped"
    assert list(tmp_path.iterdir()) == []


def test_stored_rows_are_explained_on_demand_as_the_evaluation_did(classifier):
    stored = read_predictions({"path": str(classifier["evaluation"].predictions_path), "limit": 3})[
        "results"
    ]
    answer = serving.explain_rows(
        {
            "model_path": str(classifier["model"]),
            "manifest": classifier["manifest"],
            "table_path": str(classifier["table"]),
            "schema": SCHEMA.to_json(),
            "row_numbers": [item["row"] for item in stored],
        }
    )
    assert answer["method"] == "tree"
    for item, row in zip(stored, answer["results"], strict=True):
        assert row["prediction"] == item["prediction"]
        assert [r["text"] for r in row["reasons"]] == [r["text"] for r in item["reasons"]]


def test_models_are_kept_loaded_and_the_oldest_forgotten(classifier, monkeypatch):
    serving.clear_cache()
    loads = []
    real = serving.load_model
    monkeypatch.setattr(serving, "load_model", lambda *a: loads.append(1) or real(*a))
    for _ in range(3):
        ask(classifier, [GOOD])
    assert len(loads) == 1
    monkeypatch.setattr(serving, "MAX_CACHED_MODELS", 0)
    ask(classifier, [GOOD])
    ask(classifier, [GOOD])
    assert len(loads) == 2
    serving.clear_cache()


def test_manifest_describes_every_input(classifier):
    manifest = classifier["manifest"]
    features = {item["name"]: item for item in manifest["features"]}
    assert list(features) == list(FEATURES)
    assert features["kind"]["levels"] == ["gas", "ice", "rock"]
    assert features["size"]["unit"] == "km"
    assert features["size"]["min"] < features["size"]["example"] < features["size"]["max"]
    assert features["ringed"]["example"] in {True, False}
    assert features["seen_at"]["example"].startswith("2020-")
    assert manifest["ignored_columns"] == ["row_id", "verdict", "mass"]
    example = {name: item["example"] for name, item in features.items()}
    assert ask(classifier, [example])["predictions"][0]["prediction"] in {"yes", "no"}


def test_model_card_tells_what_a_reader_must_know(served):
    manifest = served["manifest"]
    card = model_card(
        manifest,
        served["evaluation"].result,
        name="planet-check",
        version=3,
        dataset_name="planets",
        dataset_version=2,
        dataset_warnings=[
            {"code": "leakage", "column": "flag", "message": "flag alone predicts the target."}
        ],
        author="Alice",
    )
    assert card.startswith("# planet-check, version 3\n")
    for word in ("planets", "Alice", "flag alone predicts", "baseline", "size", "scikit-learn"):
        assert word in card
    assert "| accuracy |" in card or "| MAE |" in card
    assert "null" not in card
    assert "None" not in card
    assert "nan" not in card


def test_text_from_data_cannot_break_out_of_the_card(classifier):
    manifest = classifier["manifest"] | {"target": "a|b\n# <script>alert(1)</script> `x`"}
    card = model_card(
        manifest,
        classifier["evaluation"].result,
        name="[x](javascript:alert(1))",
        version=1,
        dataset_name="d",
        dataset_version=1,
        dataset_warnings=[],
        author="{{7*7}}",
    )
    assert "\n# <script>" not in card
    assert "<script>" not in card
    assert "](javascript" not in card
    assert "{{7\\*7}}" in card
