"""Small sources as MLflow leaves them on disk, written by hand so that tests need no MLflow."""

import sqlite3
from pathlib import Path

RUN = "11111111111141118111111111111111"
GONE = "22222222222242228222222222222222"
MODEL = "m-33333333333343338333333333333333"
SOURCE_ID = "314159265358979323"
STARTED_MS = 1_700_000_000_000


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def run_yaml(uuid: str, artifacts: str, *, lifecycle: str = "active", status: int = 3) -> str:
    return (
        f"artifact_uri: {artifacts}\nend_time: {STARTED_MS + 5}\nexperiment_id: '{SOURCE_ID}'\n"
        f"lifecycle_stage: {lifecycle}\nrun_id: {uuid}\nrun_name: first try\n"
        f"start_time: {STARTED_MS}\nstatus: {status}\ntags: []\nuser_id: carol\n"
    )


def make_folder(root: Path) -> Path:
    """Write an `mlruns` folder with one of everything; return it."""
    home = root / "mlruns"
    experiment = home / SOURCE_ID
    write(
        experiment / "meta.yaml",
        f"artifact_location: file://{experiment}\ncreation_time: {STARTED_MS}\n"
        f"experiment_id: '{SOURCE_ID}'\nlast_update_time: {STARTED_MS + 1}\n"
        "lifecycle_stage: active\nname: Pulsars\n",
    )
    write(experiment / "tags" / "team", "red\nand blue")
    run = experiment / RUN
    write(run / "meta.yaml", run_yaml(RUN, f"file://{run}/artifacts"))
    write(run / "params" / "layers" / "0", "64")
    write(run / "params" / "empty", "")
    write(run / "tags" / "mlflow.runName", "first try")
    write(run / "tags" / "note", "with 'quotes'")
    lines = [f"{STARTED_MS + step} {1 / (step + 1)!r} {step}" for step in range(300)]
    write(run / "metrics" / "loss", "\n".join([*lines, lines[0]]) + "\n")
    write(
        run / "metrics" / "odd", f"{STARTED_MS} nan 0\n{STARTED_MS} nan 0\n{STARTED_MS} -inf -5\n"
    )
    write(run / "artifacts" / "deep" / "with space.txt", "hello\n")
    (run / "artifacts" / "model.pkl").write_bytes(b"cos\nsystem\n(S'touch /tmp/never'\ntR.")
    write(
        run / "inputs" / "a" / "meta.yaml",
        "source_id: d1\nsource_type: DATASET\ndestination_id: d1\ndestination_type: RUN\n"
        "tags:\n  mlflow.data.context: training\n",
    )
    write(
        experiment / "datasets" / "d1" / "meta.yaml",
        "name: stars\ndigest: 4ccdccbc\nsource_type: code\nsource: '{}'\nschema: null\nprofile: '{}'\n",
    )
    write(
        run / "outputs" / MODEL / "meta.yaml",
        f"destination_id: {MODEL}\ndestination_type: MODEL_OUTPUT\nsource_id: {MODEL}\n"
        "source_type: RUN_OUTPUT\nstep: 7\ntags: {}\n",
    )
    model = experiment / "models" / MODEL
    write(
        model / "meta.yaml",
        f"artifact_location: file://{model}/artifacts\ncreation_timestamp: {STARTED_MS}\n"
        f"experiment_id: '{SOURCE_ID}'\nlast_updated_timestamp: {STARTED_MS}\nmodel_id: {MODEL}\n"
        f"model_type: null\nname: forest\nsource_run_id: {RUN}\nstatus: 2\nstatus_message: null\n",
    )
    write(model / "params" / "depth", "3")
    write(model / "metrics" / "acc", f"{STARTED_MS} 0.5 7 {RUN}\n")
    write(model / "artifacts" / "MLmodel", "flavors: {}\n")
    gone = experiment / GONE
    write(gone / "meta.yaml", run_yaml(GONE, f"file://{gone}/artifacts", lifecycle="deleted"))
    registered = home / "models" / "Forest"
    write(
        registered / "meta.yaml",
        f"creation_timestamp: {STARTED_MS}\ndescription: Trees.\n"
        f"last_updated_timestamp: {STARTED_MS}\nname: Forest\n",
    )
    for number, stage in ((1, "Production"), (2, "Deleted_Internal")):
        write(
            registered / f"version-{number}" / "meta.yaml",
            f"creation_timestamp: {STARTED_MS}\ncurrent_stage: {stage}\ndescription: null\n"
            f"last_updated_timestamp: {STARTED_MS}\nname: Forest\nrun_id: {RUN}\nrun_link: null\n"
            f"source: models:/{MODEL}\nstorage_location: file://{model}/artifacts\n"
            f"version: {number}\n",
        )
    write(registered / "version-1" / "tags" / "checked", "yes")
    write(registered / "aliases" / "champion", "1")
    return home


TABLES = """
CREATE TABLE experiments (experiment_id INTEGER, name TEXT, artifact_location TEXT,
    lifecycle_stage TEXT, creation_time BIGINT, last_update_time BIGINT);
CREATE TABLE experiment_tags (key TEXT, value TEXT, experiment_id INTEGER);
CREATE TABLE runs (run_uuid TEXT, name TEXT, user_id TEXT, status TEXT, start_time BIGINT,
    end_time BIGINT, deleted_time BIGINT, lifecycle_stage TEXT, artifact_uri TEXT,
    experiment_id INTEGER);
CREATE TABLE tags (key TEXT, value TEXT, run_uuid TEXT);
CREATE TABLE params (key TEXT, value TEXT, run_uuid TEXT);
CREATE TABLE metrics (key TEXT, value REAL, timestamp BIGINT, run_uuid TEXT, step BIGINT,
    is_nan BOOLEAN);
"""


def make_database(path: Path, statements: str = "") -> str:
    """Write a database of an old MLflow (no models, no inputs); return its address."""
    with sqlite3.connect(path) as database:
        database.executescript(TABLES)
        database.execute(
            "INSERT INTO experiments VALUES (7, 'Pulsars', '', 'active', ?, ?)",
            [STARTED_MS, STARTED_MS],
        )
        database.execute(
            "INSERT INTO runs VALUES (?, 'first try', 'carol', 'FINISHED', ?, ?, NULL, 'active',"
            " '', 7)",
            [RUN, STARTED_MS, STARTED_MS + 5],
        )
        database.executemany(
            "INSERT INTO metrics VALUES ('loss', ?, ?, ?, ?, ?)",
            [(0.0 if step == 3 else 1 / (step + 1), STARTED_MS + step, RUN, step, step == 3)
             for step in range(20)],
        )  # fmt: skip
        database.executescript(statements)
    database.close()
    return f"sqlite:///{path}"
