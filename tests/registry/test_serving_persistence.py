"""Model files: equal after the round trip, equal bytes for equal models, hostile files refused."""

import io
import json
import pickle
import zipfile

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.decomposition import PCA
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from experiments.data.specs import MISSING_CATEGORY, EngineError
from experiments.training.estimators import Facts, build_pipeline
from experiments.training.specs import CATALOGUE, TrainingSpec
from registry.serving import persistence
from registry.serving.allowlist import ALLOWED_LOADERS
from registry.serving.inspection import FOREIGN_LIMITS, FileLimits, inspect_model_file

SMALL = {
    "hist_gradient_boosting": {"max_iter": 5},
    "random_forest": {"n_estimators": 5},
    "extra_trees": {"n_estimators": 5},
    "gradient_boosting": {"n_estimators": 5},
    "mlp": {"max_iter": 5, "hidden_layer_sizes": [8]},
    "sgd": {"max_iter": 10},
}
CASES = [(name, task) for name, entry in CATALOGUE.items() for task in entry.tasks]


class Canary:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def make_frame(n_rows: int = 180) -> pd.DataFrame:
    rng = np.random.default_rng(2)
    frame = pd.DataFrame(
        {
            "a": rng.normal(size=n_rows),
            "b": rng.normal(size=n_rows),
            "kind": rng.choice(["x", "y", "z"], size=n_rows).astype(object),
            "place": rng.choice([f"p{n}" for n in range(70)], size=n_rows).astype(object),
        }
    )
    frame.loc[::7, "b"] = np.nan
    frame.loc[::8, "kind"] = MISSING_CATEGORY
    return frame


def fit(name: str, task: str, frame: pd.DataFrame, **values: object) -> Pipeline:
    target = (frame["a"] + (frame["kind"] == "x")).to_numpy()
    if task == "classification":
        target = np.array(["low", "mid", "high"])[(target > -0.5).astype(int) + (target > 0.8)]
    spec = TrainingSpec(
        target="t",
        task=task,
        model_type=name,
        features=tuple(frame.columns),
        hyperparameters=SMALL.get(name, {}) | values,
        seed=4,
    )
    codes = np.unique(target, return_inverse=True)[1] if task == "classification" else None
    return build_pipeline(spec, Facts.of(frame, ["a", "b"], codes)).fit(frame, target)


def answers(pipeline, frame):
    ask = getattr(pipeline, "predict_proba", pipeline.predict)
    return np.asarray(ask(frame)), np.asarray(pipeline.predict(frame))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(("name", "task"), CASES)
def test_every_model_type_comes_back_equal_and_with_the_same_bytes(name, task, tmp_path):
    frame = make_frame()
    unseen = frame.assign(kind="never seen", place="nowhere", a=np.nan)
    pipeline = fit(name, task, frame)
    manifest = persistence.save_model(pipeline, tmp_path / "one.skops", {"task": task})
    loaded = persistence.load_model(tmp_path / "one.skops", manifest)
    for rows in (frame, unseen):
        for before, after in zip(
            answers(pipeline, rows), answers(loaded.pipeline, rows), strict=True
        ):
            assert np.array_equal(before, after)
    assert loaded.warnings == []
    again = persistence.save_model(fit(name, task, frame), tmp_path / "two.skops", {"task": task})
    assert again["sha256"] == manifest["sha256"]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    ("name", "task", "values"),
    [(case[0], case[1], {"scaling": kind}) for case in CASES for kind in ("quantile", "robust")
     if CATALOGUE[case[0]].scaled]
    + [("svm", "classification", {"probability": True})]
    + [("svm", "classification", {"probability": False})]
    + [("knn", "classification", {"metric": metric}) for metric in ("manhattan", "euclidean")]
    + [("mlp", "regression", {"solver": "sgd"})],
)  # fmt: skip
def test_options_that_change_what_is_stored_come_back_equal(name, task, values, tmp_path):
    frame = make_frame()
    pipeline = fit(name, task, frame, **values)
    manifest = persistence.save_model(pipeline, tmp_path / "m.skops", {})
    loaded = persistence.load_model(tmp_path / "m.skops", manifest)
    assert np.array_equal(answers(pipeline, frame)[0], answers(loaded.pipeline, frame)[0])


LOSSES = [
    (name, task, loss)
    for name, task in CASES
    for param in CATALOGUE[name].params_for(task)
    if param.name == "loss"
    for loss in param.json_schema(task)["enum"]
]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(("name", "task", "loss"), LOSSES)
def test_every_loss_can_be_stored(name, task, loss, tmp_path):
    frame = make_frame()
    pipeline = fit(name, task, frame, loss=loss)
    manifest = persistence.save_model(pipeline, tmp_path / "m.skops", {})
    loaded = persistence.load_model(tmp_path / "m.skops", manifest)
    assert np.array_equal(answers(pipeline, frame)[0], answers(loaded.pipeline, frame)[0])


def save_small(tmp_path):
    path = tmp_path / "model.skops"
    return path, persistence.save_model(fit("ridge", "regression", make_frame()), path, {})


def test_a_changed_file_is_refused_before_it_is_opened(tmp_path):
    path, manifest = save_small(tmp_path)
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(EngineError, match="SHA-256") as caught:
        persistence.load_model(path, manifest)
    assert caught.value.code == "model_not_loadable"


def test_other_formats_are_refused_by_the_manifest(tmp_path):
    path, manifest = save_small(tmp_path)
    with pytest.raises(EngineError, match="'pickle'"):
        persistence.load_model(path, manifest | {"format": "pickle"})


def test_another_library_release_is_a_warning_that_names_it(tmp_path):
    path, manifest = save_small(tmp_path)
    manifest["versions"]["scikit-learn"] = "1.2.0"
    warnings = persistence.load_model(path, manifest).warnings
    assert len(warnings) == 1
    assert "scikit-learn 1.2.0" in warnings[0]


def test_a_model_with_foreign_parts_is_not_saved(tmp_path):
    pipeline = Pipeline([("pca", PCA(1))]).fit(np.eye(3))
    with pytest.raises(EngineError, match="PCA"):
        persistence.save_model(pipeline, tmp_path / "m.skops", {})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["model.pkl", "model.joblib", "model.bin", "model.skops"])
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_pickle_of_any_name_is_recognised_and_never_opened(name, protocol, tmp_path):
    path = tmp_path / name
    path.write_bytes(pickle.dumps(Canary(tmp_path / "canary"), protocol=protocol))
    found = inspect_model_file(path)
    assert (found.file_format, found.loadable) == ("pickle", False)
    with pytest.raises(EngineError):
        persistence.load_model(path, {"format": "skops", "sha256": persistence.file_sha256(path)})
    assert not (tmp_path / "canary").exists()


def write_zip(path, parts):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return path


def own_manifest(path):
    return {"format": "skops", "sha256": persistence.file_sha256(path)}


def test_a_pickle_inside_a_zip_is_refused(tmp_path):
    inner = pickle.dumps(Canary(tmp_path / "canary"))
    schema = json.dumps({"__class__": "dict", "__module__": "builtins", "__loader__": "DictNode"})
    path = write_zip(tmp_path / "m.skops", {"schema.json": schema, "model.pkl": inner})
    found = inspect_model_file(path)
    assert not found.loadable
    assert "model.pkl" in found.reason
    assert not (tmp_path / "canary").exists()


def test_an_array_of_objects_is_refused(tmp_path):
    buffer = io.BytesIO()
    np.save(buffer, np.array([Canary(tmp_path / "canary")], dtype=object), allow_pickle=True)
    schema = json.dumps(
        {
            "__class__": "ndarray",
            "__module__": "numpy",
            "__loader__": "NdArrayNode",
            "type": "numpy",
            "file": "1.npy",
            "protocol": 0,
        }
    )
    path = write_zip(tmp_path / "m.skops", {"schema.json": schema, "1.npy": buffer.getvalue()})
    with pytest.raises(EngineError, match="objects"):
        persistence.load_model(path, own_manifest(path))
    assert not (tmp_path / "canary").exists()


def test_an_array_that_claims_terabytes_is_refused(tmp_path):
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(2))
    lying = buffer.getvalue().replace(b"(2,), }      ", b"(2000000000,)}", 1)
    assert lying != buffer.getvalue()
    schema = json.dumps({"__class__": "a", "__module__": "b", "__loader__": "c"})
    path = write_zip(tmp_path / "m.skops", {"schema.json": schema, "1.npy": lying})
    assert "claims more" in inspect_model_file(path).reason


@pytest.mark.parametrize(
    "node",
    [
        {"__class__": "system", "__module__": "os", "__loader__": "FunctionNode"},
        {"__class__": "methodcaller", "__module__": "operator", "__loader__": "OperatorFuncNode"},
        {"__class__": "partial", "__module__": "functools", "__loader__": "PartialNode"},
        {"__class__": "dict", "__module__": "builtins", "__loader__": "MethodNode"},
        {"__class__": "Ridge", "__module__": "sklearn.linear_model._ridge", "__loader__": "New"},
        {"__class__": "Popen", "__module__": "subprocess", "__loader__": "ObjectNode"},
    ],
)
def test_nodes_that_call_something_or_are_unknown_are_refused_by_name(node, tmp_path):
    schema = {
        "__class__": "list",
        "__module__": "builtins",
        "__loader__": "ListNode",
        "content": [node],
        "protocol": 0,
    }
    path = write_zip(tmp_path / "m.skops", {"schema.json": json.dumps(schema)})
    with pytest.raises(EngineError) as caught:
        persistence.load_model(path, own_manifest(path))
    named = " ".join(caught.value.details["unknown_types"])
    assert node["__class__"] in named or node["__loader__"] in named


def test_a_function_of_a_trusted_library_is_refused_too(tmp_path):
    pipeline = Pipeline([("f", FunctionTransformer(np.log1p))]).fit(np.eye(2))
    path = tmp_path / "m.skops"
    skops.io.dump(pipeline, path)
    assert not inspect_model_file(path).loadable
    assert "FunctionNode" not in ALLOWED_LOADERS


def test_a_schema_bomb_is_refused_unread(tmp_path):
    path = write_zip(tmp_path / "m.skops", {"schema.json": b"[" + b" " * (6 * 1024 * 1024) + b"]"})
    assert path.stat().st_size < 50_000
    assert "schema.json has" in inspect_model_file(path).reason


def test_a_schema_that_lies_about_its_size_is_refused(tmp_path):
    path = write_zip(tmp_path / "m.skops", {"schema.json": b"{" + b" " * 200_000 + b"}"})
    raw = path.read_bytes()
    path.write_bytes(raw.replace((200_002).to_bytes(4, "little"), (100).to_bytes(4, "little")))
    assert not inspect_model_file(path).loadable


@pytest.mark.parametrize("depth", [300, 20_000, 200_000])
def test_a_deep_schema_is_refused(depth, tmp_path):
    text = '{"content":' * depth + "{}" + "}" * depth
    path = write_zip(tmp_path / "m.skops", {"schema.json": text})
    assert "nested too deeply" in inspect_model_file(path).reason


def test_too_many_parts_are_refused(tmp_path):
    limits = FileLimits(10**6, 10**6, 10**6, 3, 10**6)
    parts = {"schema.json": "{}"} | {f"{n}.npy": b"" for n in range(3)}
    path = write_zip(tmp_path / "m.skops", parts)
    assert "4 parts" in inspect_model_file(path, limits).reason


def test_an_archive_that_unpacks_huge_is_refused(tmp_path):
    limits = FileLimits(10**6, 10**6, 1_000, 100, 10**6)
    path = write_zip(tmp_path / "m.skops", {"schema.json": "{}", "1.npy": b"0" * 5_000})
    assert "unpacked" in inspect_model_file(path, limits).reason


def test_two_parts_of_one_name_are_refused(tmp_path):
    path = tmp_path / "m.skops"
    write_zip(path, {"schema.json": "{}"})
    with pytest.warns(UserWarning, match="Duplicate"):
        zipfile.ZipFile(path, "a").writestr("schema.json", "{}")
    assert "same name" in inspect_model_file(path).reason


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "empty"),
        (b"\x1f\x8bxxxx", "compressed"),
        (b"\x89HDF\r\n", "hdf5"),
        (b"ONNX", "unknown"),
    ],
)
def test_other_files_are_named_and_refused(content, expected, tmp_path):
    path = tmp_path / "m.skops"
    path.write_bytes(content)
    found = inspect_model_file(path)
    assert (found.file_format, found.loadable) == (expected, False)
    assert found.reason


def test_a_truncated_file_is_refused(tmp_path):
    path, _ = save_small(tmp_path)
    path.write_bytes(path.read_bytes()[:-200])
    found = inspect_model_file(path)
    assert not found.loadable
    assert found.reason


def test_a_damaged_part_is_refused(tmp_path):
    path, _ = save_small(tmp_path)
    raw = bytearray(path.read_bytes())
    raw[60:90] = bytes(30)
    path.write_bytes(raw)
    assert not inspect_model_file(path).loadable


def test_an_ordinary_model_passes_the_limits_for_foreign_files(tmp_path):
    path, _ = save_small(tmp_path)
    found = inspect_model_file(path, FOREIGN_LIMITS)
    assert found.loadable
    assert found.skops_version
    assert "sklearn.linear_model._ridge.Ridge" in found.types
