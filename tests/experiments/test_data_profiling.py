"""Profiles, warnings and target analysis, on small tables and on the KOI table."""

import json

import numpy as np
import pandas as pd
import pytest

from experiments.data import statistics
from experiments.data.bundled import write_bundled
from experiments.data.diff import shared_rows
from experiments.data.specs import EngineError
from experiments.data.targets import analyse_target
from tests.experiments.data_samples import KOI, codes, profiled, read

LEAKS = {
    "kepler_name", "koi_pdisposition", "koi_score",
    "koi_fpflag_nt", "koi_fpflag_ss", "koi_fpflag_co", "koi_fpflag_ec",
}  # fmt: skip


def titanic(n=300):
    rng = np.random.default_rng(1)
    sex = np.where(rng.random(n) < 0.6, "male", "female")
    survived = (rng.random(n) < np.where(sex == "female", 0.75, 0.2)).astype(int)
    frame = pd.DataFrame({
        "PassengerId": np.arange(1, n + 1),
        "Survived": survived,
        "Pclass": rng.integers(1, 4, n),
        "Name": [f"Person, Mr. {k}" for k in range(n)],
        "Sex": sex,
        "Age": np.where(rng.random(n) < 0.2, np.nan, rng.integers(1, 80, n)),
        "Fare": np.round(rng.gamma(2, 15, n), 2),
        "Cabin": np.where(rng.random(n) < 0.8, "", "C85"),
        "Embarked": rng.choice(["S", "C", "Q"], n),
    })  # fmt: skip
    return frame


def test_counts_extremes_and_quantiles_are_those_of_pandas(tmp_path):
    frame = pd.DataFrame({"x": np.random.default_rng(0).normal(size=500), "n": range(500)})
    frame.loc[::7, "x"] = np.nan
    column = profiled(read(tmp_path, frame.to_csv(index=False)))["columns"][0]
    x = frame["x"]
    assert column["n_null"] == int(x.isna().sum())
    assert column["n_distinct"] == x.nunique()
    assert (column["min"], column["max"]) == (x.min(), x.max())
    assert column["mean"] == pytest.approx(x.mean())
    assert column["std"] == pytest.approx(x.std())
    assert column["quantiles"]["0.95"] == pytest.approx(x.quantile(0.95))
    assert sum(column["histogram"]["counts"]) == x.notna().sum()
    assert len(column["histogram"]["edges"]) == len(column["histogram"]["counts"]) + 1


def test_profile_is_strict_json_also_with_infinities_and_empty_columns(tmp_path):
    made = profiled(read(tmp_path, "a,b,c,d\n1.5,inf,,2024-01-01\n-inf,2,,\n3,4,,2024-01-03\n"))
    json.dumps(made, allow_nan=False)
    assert made["columns"][0]["n_infinite"] == 1
    assert made["columns"][0]["min"] == "-Infinity"
    assert made["columns"][2]["role"] == "empty"
    assert made["columns"][3]["min"].startswith("2024-01-01")
    assert codes(made["warnings"], "infinite_values") == {"a", "b"}
    assert made["head"]["rows"][0] == [1.5, "Infinity", None, "2024-01-01T00:00:00"]


def test_words_have_top_values_and_lengths(tmp_path):
    made = profiled(read(tmp_path, "w,n\n" + "x,1\n" * 5 + "yy,2\n" * 3 + ",3\n"))
    column = made["columns"][0]
    assert column["top_values"] == [{"value": "x", "count": 5}, {"value": "yy", "count": 3}]
    assert column["length"] == {"min": 1, "mean": pytest.approx(11 / 8), "max": 2}
    assert made["missingness"] == {
        "columns": ["w"], "rows_complete": 8, "co_missing": [[pytest.approx(1 / 9, abs=1e-4)]],
    }  # fmt: skip


def test_correlation_and_duplicates(tmp_path):
    frame = pd.DataFrame({"a": np.arange(50.0), "c": np.random.default_rng(0).normal(size=50)})
    frame["b"] = -2 * frame["a"]
    doubled = pd.concat([frame, frame.iloc[:3]])
    made = profiled(read(tmp_path, doubled.to_csv(index=False)))
    matrix = made["correlation"]
    assert matrix["matrix"][matrix["columns"].index("a")][matrix["columns"].index("b")] == -1.0
    assert made["duplicates"]["n_rows"] == 3
    assert codes(made["warnings"], "duplicate_rows") == {None}


def test_a_missing_value_and_a_zero_are_no_duplicates(tmp_path):
    assert profiled(read(tmp_path, "a,b\n0,1\n,1\n"))["duplicates"]["n_rows"] == 0


def test_large_tables_state_their_sample_and_keep_exact_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(statistics, "EXACT_ROWS", 1_000)
    monkeypatch.setattr(statistics, "SAMPLE_ROWS", 500)
    text = "a,b,c\n" + "".join(f"{n},{n % 3},{'x' if n % 2 else ''}\n" for n in range(5_000))
    made = profiled(read(tmp_path, text + "0,0,\n"))
    assert made["sample"]["rows_used"] == 500
    assert "quantiles" not in made["sample"]["exact"]
    first, second, third = made["columns"]
    assert (first["min"], first["max"], third["n_null"]) == (0, 4999, 2501)
    assert first["distinct_is_estimate"]
    assert first["n_distinct"] == 5_001
    assert second["n_distinct"] == 3
    assert made["duplicates"]["n_rows"] == 1
    assert abs(first["quantiles"]["0.5"] - 2_500) < 500


def test_practitioners_warnings_on_a_titanic_like_table(tmp_path):
    frame = titanic()
    frame["boat"] = np.where(frame["Survived"] == 1, "7", "")
    frame["const"] = "same"
    frame["when"] = "2024-01-05"
    frame.loc[::3, "when"] = "5/1/2024"
    made = profiled(read(tmp_path, frame.to_csv(index=False)))
    assert (made["target_guess"], made["task_guess"]) == ("Survived", "classification")
    assert codes(made["warnings"], "identifier_column") == {"PassengerId", "Name"}
    assert codes(made["warnings"], "leakage") == {"boat"}
    assert codes(made["warnings"], "constant_column") == {"const"}
    assert codes(made["warnings"], "mostly_missing") == {"Cabin", "boat"}
    assert codes(made["warnings"], "date_as_text") == {"when"}
    assert all(
        {"code", "column", "message", "severity", "details"} <= w.keys() for w in made["warnings"]
    )


def test_dates_read_from_text_say_so(tmp_path):
    made = profiled(read(tmp_path, "d,n\n2024-01-05,1\n2024-01-06,2\n"))
    assert codes(made["warnings"], "date_as_text") == {"d"}
    assert made["columns"][0]["type"] == "datetime"


def test_imbalance_and_rare_classes_name_the_target(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=200), "label": ["a"] * 190 + ["b"] * 10})
    frame.loc[0, "label"] = "c"
    made = profiled(read(tmp_path, frame.to_csv(index=False)))
    found = [w for w in made["warnings"] if w["code"] == "class_imbalance"]
    assert [w["details"]["target"] for w in found] == ["label"]
    assert codes(made["warnings"], "rare_classes") == {"label"}


def test_regression_leak_is_found_and_noise_is_not(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=800), "noise": rng.normal(size=800)})
    frame["price"] = 3 * frame["x"] + rng.normal(size=800)
    frame["price_eur"] = frame["price"] * 0.9
    findings = analyse(tmp_path, frame, "price")
    assert findings["task"] == "regression"
    assert codes(findings["warnings"], "leakage") == {"price_eur"}
    assert findings["histogram"]["counts"]


def analyse(tmp_path, frame, target):
    table = read(tmp_path, frame.to_csv(index=False))
    return analyse_target(table.path, table.schema, target)


def test_a_target_ruled_by_one_class_makes_no_false_leaks(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"k": rng.integers(0, 3, 1000), "x": rng.normal(size=1000)})
    frame["y"] = (rng.random(1000) < 0.01).astype(int)
    assert codes(analyse(tmp_path, frame, "y")["warnings"], "leakage") == set()


def test_analysis_proposes_groups_times_and_exclusions(tmp_path):
    frame = titanic()
    frame["patient_id"] = np.arange(len(frame)) // 3
    frame["visited"] = pd.date_range("2024-01-01", periods=len(frame)).strftime("%Y-%m-%d")
    findings = analyse(tmp_path, frame, "Survived")
    assert [item["column"] for item in findings["group_candidates"]] == ["patient_id"]
    assert [item["column"] for item in findings["time_candidates"]] == ["visited"]
    assert {item["column"]: item["code"] for item in findings["exclude"]} == {
        "PassengerId": "identifier_column", "Name": "identifier_column",
    }  # fmt: skip
    counts = frame["Survived"].value_counts()
    assert findings["classes"] == [{"value": v, "count": int(n)} for v, n in counts.items()]


@pytest.mark.parametrize(
    ("values", "code"),
    [
        (["a"] * 50, "target_one_class"),
        ([""] * 50, "target_empty"),
        (["a", "b"] + [""] * 48, "too_few_rows"),
        (["2024-01-01", "2024-01-02"] * 25, "target_type"),
    ],
)
def test_h23_impossible_targets_are_refused_before_a_job(tmp_path, values, code):
    frame = pd.DataFrame({"x": np.arange(50) / 7, "t": values})
    with pytest.raises(EngineError) as caught:
        analyse(tmp_path, frame, "t")
    assert caught.value.code == code
    assert caught.value.details["column"] == "t"


def test_h23_missing_target_and_ten_thousand_classes_are_refused(tmp_path):
    frame = pd.DataFrame({"x": range(3000), "t": [f"c{k // 2}" for k in range(3000)]})
    with pytest.raises(EngineError, match="1,500 classes"):
        analyse(tmp_path, frame, "t")
    with pytest.raises(EngineError, match="no column “nope”"):
        analyse(tmp_path, frame, "nope")


def test_h23_a_test_set_equal_to_the_training_set_is_noticed(tmp_path):
    frame = titanic()
    one = read(tmp_path, frame.to_csv(index=False), "one")
    same = read(tmp_path, frame.sample(frac=1, random_state=0).to_csv(index=False), "same")
    fresh = titanic()
    fresh["Fare"] += 1000
    other = read(tmp_path, fresh.to_csv(index=False), "other")
    assert shared_rows(one.path, one.schema, same.path, same.schema) == {"count": 300, "share": 1.0}
    assert shared_rows(one.path, one.schema, other.path, other.schema)["count"] == 0


def test_profile_can_be_stopped(tmp_path):
    from experiments.data.profiling import profile

    table = read(tmp_path, "a,b\n1,2\n3,4\n")
    with pytest.raises(EngineError) as caught:
        profile(table.path, table.schema, on_progress=lambda _f, _s: None, should_stop=lambda: True)
    assert caught.value.code == "stopped"


@pytest.mark.parametrize(("name", "target"), [("iris", "species"), ("diabetes", "progression")])
def test_targets_of_known_tables_are_guessed(tmp_path, name, target):
    path = tmp_path / "bundled.csv"
    write_bundled(name, path)
    assert profiled(read(tmp_path, path))["target_guess"] == target


@pytest.mark.skipif(not KOI.exists(), reason="the KOI table is not here")
def test_koi_report_flags_exactly_the_seven_leaking_columns(tmp_path):
    table = read(tmp_path, KOI)
    made = profiled(table)
    assert made["target_guess"] == "koi_disposition"
    assert codes(made["warnings"], "leakage") == LEAKS
    assert codes(made["warnings"], "identifier_column") == {"kepid", "kepoi_name", "kepler_name"}
    assert codes(made["warnings"], "empty_column") == {"koi_teq_err1", "koi_teq_err2"}
    assert not codes(made["warnings"], "class_imbalance")
    findings = analyse_target(table.path, table.schema, "koi_disposition")
    assert [item["column"] for item in findings["group_candidates"]] == ["kepid"]
    assert [item["column"] for item in findings["time_candidates"]] == ["koi_time0bk"]
    assert {item["column"] for item in findings["exclude"]} == LEAKS | {
        "kepid", "kepoi_name", "koi_teq_err1", "koi_teq_err2",
    }  # fmt: skip
    assert findings["classes"][0] == {"value": "FALSE POSITIVE", "count": 4839}
