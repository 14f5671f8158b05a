"""Pause, stop, kill and resume: the model is the one an uninterrupted run gives, bit for bit."""

import hashlib
import json
import os
import pickle
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from experiments.data.specs import EngineError
from experiments.training import checkpoints, engine
from experiments.training.checkpoints import load_trained
from experiments.training.control import CheckpointRule
from experiments.training.frames import load_training_table
from experiments.training.specs import CATALOGUE, TrainingSpec
from tests.experiments.training_samples import (
    Recorder,
    make_spec,
    sample_frame,
    write_sample,
)

STEPPED = [name for name, entry in CATALOGUE.items() if entry.strategy in ("grow", "epoch")]
STEPPED.append("hist_gradient_boosting")
OFTEN = CheckpointRule(min_interval_s=0.0, run_share=0.0, cost_factor=0.0)
ROOT = Path(__file__).resolve().parents[2]

CHILD = """
import json, os, sys
from pathlib import Path
from experiments.data.specs import DatasetSchema
from experiments.training.control import CheckpointRule
from experiments.training.engine import train
from experiments.training.specs import TrainingSpec

class Hooks:
    def stage(self, name, fraction): pass
    def metrics(self, step, values): pass
    def log(self, line): pass
    def should_stop(self): return None
    def progress(self, done, total, eta_s):
        os.write(1, f"{done}\\n".encode())

order = json.loads(Path(sys.argv[1]).read_text())
train(
    TrainingSpec.from_json(order["spec"]), Path(order["table"]),
    DatasetSchema.from_json(order["schema"]), work_dir=Path(order["work_dir"]), hooks=Hooks(),
    rule=CheckpointRule(min_interval_s=0.0, run_share=0.0, cost_factor=0.0),
)
"""


def fingerprint(spec: TrainingSpec, path: Path, schema: object, work_dir: Path) -> str:
    """Return a hash of everything the model answers on the whole table."""
    trained = load_trained(work_dir)
    table = load_training_table(spec, path, schema)  # type: ignore[arg-type]  # from write_sample
    ask = "predict_proba" if trained.has_probabilities else "predict"
    answer = np.ascontiguousarray(getattr(trained.pipeline, ask)(table.features))
    parts = [answer.tobytes()]
    if trained.oof is not None and trained.oof.probabilities is not None:
        parts.append(trained.oof.probabilities.tobytes())
    return hashlib.sha256(b"".join(parts)).hexdigest()


def train_plainly(spec: TrainingSpec, path: Path, schema: object, work_dir: Path) -> str:
    """Train without interruption and return the fingerprint."""
    engine.train(spec, path, schema, work_dir=work_dir, hooks=Recorder())  # type: ignore[arg-type]  # from write_sample
    return fingerprint(spec, path, schema, work_dir)


@pytest.mark.parametrize("kind", ["stratified", "kfold"])
@pytest.mark.parametrize("name", [*STEPPED, "logistic_regression", "svm", "decision_tree"])
def test_pausing_at_every_chance_changes_nothing(tmp_path: Path, name: str, kind: str) -> None:
    path = tmp_path / "t.parquet"
    schema = write_sample(path)
    few = {CATALOGUE[name].units: 4} if name in STEPPED else {}
    spec = make_spec(name, kind=kind, seed=3, hyperparameters=few | {"class_weight": "balanced"})
    expected = train_plainly(spec, path, schema, tmp_path / "plain")
    work_dir = tmp_path / "paused"
    restarts = name == "logistic_regression"
    sittings = 0
    while True:
        sittings += 1
        # The first question of a sitting is asked before any learning: only a later one pauses.
        after = 1 if not restarts else 1 + 50 * sittings
        hooks = Recorder(lambda n, after=after: "pause" if n > after else None)
        outcome = engine.train(spec, path, schema, work_dir=work_dir, hooks=hooks, rule=OFTEN)
        if outcome.status == "completed":
            break
        assert outcome.status == "paused"
        assert outcome.units_done < outcome.units_total
        assert sittings < 400
    assert sittings > 1 or CATALOGUE[name].strategy in ("oneshot", "hook")
    assert fingerprint(spec, path, schema, work_dir) == expected


@pytest.mark.parametrize("name", ["hist_gradient_boosting", "random_forest", "mlp"])
def test_early_stopping_decides_the_same_after_pauses(tmp_path: Path, name: str) -> None:
    path = tmp_path / "t.parquet"
    frame = sample_frame()
    frame["kind"] = np.random.default_rng(3).permutation(frame["kind"])
    schema = write_sample(path, frame)
    spec = make_spec(
        name, hyperparameters={CATALOGUE[name].units: 20, "early_stopping": True, "patience": 2}
    )
    expected = train_plainly(spec, path, schema, tmp_path / "plain")
    for _ in range(100):
        hooks = Recorder(lambda n: "pause" if n > 1 else None)
        outcome = engine.train(spec, path, schema, work_dir=tmp_path / "run", hooks=hooks)
        if outcome.status == "completed":
            break
    assert outcome.status == "completed"
    assert fingerprint(spec, path, schema, tmp_path / "run") == expected


@pytest.mark.chaos
@pytest.mark.slow
@pytest.mark.parametrize("name", STEPPED)
def test_kill_minus_nine_at_random_moments_changes_nothing(tmp_path: Path, name: str) -> None:
    path = tmp_path / "t.parquet"
    schema = write_sample(path, sample_frame(400))
    units = {CATALOGUE[name].units: 60}
    options = {"subsample": 0.7} if name == "gradient_boosting" else {}
    spec = make_spec(name, seed=11, hyperparameters=units | options)
    expected = train_plainly(spec, path, schema, tmp_path / "plain")
    order = tmp_path / "order.json"
    work_dir = tmp_path / "run"
    order.write_text(
        json.dumps(
            {
                "spec": spec.to_json(),
                "schema": schema.to_json(),
                "table": str(path),
                "work_dir": str(work_dir),
            }
        )
    )
    chance = random.Random(name)
    kills = 0
    for _ in range(12):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(order)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert child.stdout is not None
        if kills < 2:
            child.stdout.readline()  # learning has begun
            deadline = time.monotonic() + chance.uniform(0.0, 0.15)
            while time.monotonic() < deadline and child.poll() is None:
                pass
            child.send_signal(signal.SIGKILL)
        child.communicate()
        if child.wait() == 0:
            break
        kills += 1
    assert kills > 0
    assert load_trained(work_dir).complete
    assert fingerprint(spec, path, schema, work_dir) == expected


@pytest.mark.parametrize(
    "name", [name for name, entry in CATALOGUE.items() if entry.supports_partial_stop]
)
def test_stop_keeps_what_was_learned(tmp_path: Path, name: str) -> None:
    path = tmp_path / "t.parquet"
    schema = write_sample(path)
    spec = make_spec(name)
    hooks = Recorder(lambda n: "stop" if n > 1 else None)
    outcome = engine.train(spec, path, schema, work_dir=tmp_path / "run", hooks=hooks)
    assert outcome.status == "stopped"
    assert 0 < outcome.units_done < outcome.units_total or name == "logistic_regression"
    trained = load_trained(tmp_path / "run")
    assert not trained.complete
    assert any("Stopped after" in note for note in trained.notes)
    features = load_training_table(spec, path, schema).features
    assert set(trained.pipeline.predict(features)) <= {"dust", "planet", "star"}
    assert len(trained.test_rows) > 0


def test_stopped_run_can_be_taken_up_again(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    schema = write_sample(path)
    for name in STEPPED:
        spec = make_spec(name, hyperparameters={CATALOGUE[name].units: 6})
        expected = train_plainly(spec, path, schema, tmp_path / f"plain-{name}")
        work_dir = tmp_path / f"run-{name}"
        hooks = Recorder(lambda n: "stop" if n > 1 else None)
        assert engine.train(spec, path, schema, work_dir=work_dir, hooks=hooks).status == "stopped"
        outcome = engine.train(spec, path, schema, work_dir=work_dir, hooks=Recorder())
        assert outcome.status == "completed"
        assert not any("Stopped" in note for note in outcome.notes)
        assert fingerprint(spec, path, schema, work_dir) == expected


@pytest.mark.parametrize("name", STEPPED)
def test_killed_run_can_be_kept_as_far_as_its_checkpoint(tmp_path: Path, name: str) -> None:
    path = tmp_path / "t.parquet"
    schema = write_sample(path)
    spec = make_spec(name)
    work_dir = tmp_path / "run"
    hooks = Recorder(lambda n: "stop" if n > 1 else None)
    assert not engine.salvage(spec, path, schema, work_dir=work_dir, hooks=Recorder())
    engine.train(spec, path, schema, work_dir=work_dir, hooks=hooks)
    stopped = fingerprint(spec, path, schema, work_dir)
    (work_dir / checkpoints.TRAINED).unlink()  # as if killed after the checkpoint
    assert engine.salvage(spec, path, schema, work_dir=work_dir, hooks=Recorder())
    assert fingerprint(spec, path, schema, work_dir) == stopped
    assert not load_trained(work_dir).complete


def test_stop_before_anything_was_learned_says_so(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    schema = write_sample(path)
    outcome = engine.train(
        make_spec(), path, schema, work_dir=tmp_path / "run", hooks=Recorder(lambda _: "stop")
    )
    assert (outcome.status, outcome.units_done) == ("stopped", 0)
    with pytest.raises(EngineError) as caught:
        load_trained(tmp_path / "run")
    assert caught.value.code == "nothing_learned"


def test_stop_in_a_later_fold_keeps_the_model_of_the_first(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    schema = write_sample(path)
    hooks = Recorder()
    spec = make_spec("decision_tree", kind="kfold")
    hooks._wish = lambda _: "stop" if hooks.progressed and hooks.progressed[-1][0] >= 2 else None
    outcome = engine.train(spec, path, schema, work_dir=tmp_path / "run", hooks=hooks)
    assert outcome.status == "stopped"
    trained = load_trained(tmp_path / "run")
    assert not trained.complete
    assert len(trained.train_rows) == 160
    assert len(trained.test_rows) == 80


def paused_run(tmp_path: Path) -> tuple[TrainingSpec, Path, object]:
    """Leave a checkpoint of a forest in ``run``."""
    path = tmp_path / "t.parquet"
    schema = write_sample(path)
    spec = make_spec()
    hooks = Recorder(lambda n: "pause" if n > 1 else None)
    outcome = engine.train(spec, path, schema, work_dir=tmp_path / "run", hooks=hooks)
    assert outcome.status == "paused"
    return spec, path, schema


def test_resume_on_changed_data_is_refused(tmp_path: Path) -> None:
    spec, path, schema = paused_run(tmp_path)
    frame = sample_frame()
    frame.loc[0, "a"] += 1e-9
    write_sample(path, frame)
    with pytest.raises(EngineError, match="the data changed") as caught:
        engine.train(spec, path, schema, work_dir=tmp_path / "run", hooks=Recorder())  # type: ignore[arg-type]  # from write_sample
    assert caught.value.code == "checkpoint_mismatch"


def test_resume_of_another_specification_is_refused(tmp_path: Path) -> None:
    _, path, schema = paused_run(tmp_path)
    with pytest.raises(EngineError, match="specification"):
        engine.train(
            make_spec(seed=99),
            path,
            schema,
            work_dir=tmp_path / "run",
            hooks=Recorder(),  # type: ignore[arg-type]  # from write_sample
        )


def test_resume_under_other_library_versions_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, path, schema = paused_run(tmp_path)
    monkeypatch.setattr(checkpoints, "library_versions", lambda: {"scikit-learn": "9.9"})
    with pytest.raises(EngineError, match="library versions"):
        engine.train(spec, path, schema, work_dir=tmp_path / "run", hooks=Recorder())  # type: ignore[arg-type]  # from write_sample


def test_resume_with_other_limits_and_threads_is_allowed(tmp_path: Path) -> None:
    _, path, schema = paused_run(tmp_path)
    spec = make_spec(n_threads=2, time_limit_s=1000.0)
    outcome = engine.train(spec, path, schema, work_dir=tmp_path / "run", hooks=Recorder())  # type: ignore[arg-type]  # from write_sample
    assert outcome.status == "completed"


def test_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    spec, path, schema = paused_run(tmp_path)
    file = tmp_path / "run" / checkpoints.CHECKPOINT
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(EngineError) as caught:
        engine.train(spec, path, schema, work_dir=tmp_path / "run", hooks=Recorder())  # type: ignore[arg-type]  # from write_sample
    assert caught.value.code == "checkpoint_unreadable"
    checkpoints.clear(tmp_path / "run")
    outcome = engine.train(spec, path, schema, work_dir=tmp_path / "run", hooks=Recorder())  # type: ignore[arg-type]  # from write_sample
    assert outcome.status == "completed"


def test_private_files_are_readable_by_the_owner_only(tmp_path: Path) -> None:
    paused_run(tmp_path)
    file = tmp_path / "run" / checkpoints.CHECKPOINT
    assert file.stat().st_mode & 0o777 == 0o600
    assert pickle.loads(file.read_bytes())["header"]["format"] == checkpoints.FORMAT


def test_complete_run_answers_again_without_learning(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    schema = write_sample(path)
    spec = make_spec()
    first = engine.train(spec, path, schema, work_dir=tmp_path / "run", hooks=Recorder())
    hooks = Recorder()
    assert engine.train(spec, path, schema, work_dir=tmp_path / "run", hooks=hooks) == first
    assert hooks.progressed == []
    assert not (tmp_path / "run" / checkpoints.CHECKPOINT).exists()
