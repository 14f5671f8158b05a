"""Quality on the real Kepler table, leaking and identifier columns left out."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from experiments.data.specs import ColumnSchema, DatasetSchema
from experiments.training import engine
from experiments.training.checkpoints import load_trained
from experiments.training.specs import TrainingSpec, ValidationSpec
from tests.experiments.training_samples import Recorder

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "nasa_kepler_koi.csv"
LEFT_OUT = ("rowid kepid koi_score koi_fpflag_nt koi_fpflag_ss koi_fpflag_co koi_fpflag_ec").split()
TARGET = "koi_disposition"


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(not DATA.exists(), reason="the Kepler table is not beside the checkout")
@pytest.mark.parametrize(
    ("name", "accuracy"), [("hist_gradient_boosting", 0.811), ("random_forest", 0.802)]
)
def test_kepler_folds_reach_the_reference(tmp_path: Path, name: str, accuracy: float) -> None:
    with DATA.open() as stream:
        n_comments = sum(1 for line in stream if line.startswith("#"))
    frame = pd.read_csv(DATA, skiprows=n_comments, low_memory=False)
    numbers = frame.select_dtypes("number").drop(columns=LEFT_OUT, errors="ignore")
    features = tuple(column for column in numbers.columns if numbers[column].nunique() > 1)
    frame.to_parquet(tmp_path / "koi.parquet")
    columns = [ColumnSchema(column, column, "number") for column in features]
    schema = DatasetSchema((*columns, ColumnSchema(TARGET, TARGET, "category")))
    spec = TrainingSpec(
        target=TARGET,
        task="classification",
        model_type=name,
        features=features,
        validation=ValidationSpec(kind="kfold", n_folds=5),
    )
    engine.train(
        spec, tmp_path / "koi.parquet", schema, work_dir=tmp_path / "run", hooks=Recorder()
    )
    oof = load_trained(tmp_path / "run").oof
    assert oof is not None
    reached = float(np.mean(oof.predictions == frame[TARGET].to_numpy(dtype=str)[oof.rows]))
    assert reached == pytest.approx(accuracy, abs=0.02)
