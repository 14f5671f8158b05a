"""What a search of runs may ask for, in the protocol's words."""

from typing import Final

from experiments.tracking.search.vocabulary import (
    LABEL,
    LISTED_TEXT,
    NUMBER,
    TEXT,
    Kind,
    Vocabulary,
)

STATUS_WORDS: Final = {
    "queued": "SCHEDULED",
    "running": "RUNNING",
    "pausing": "RUNNING",
    "paused": "RUNNING",
    "stopping": "RUNNING",
    "completed": "FINISHED",
    "failed": "FAILED",
    "lost": "FAILED",
    "stopped": "KILLED",
}
"""The protocol's word for each state of a run."""

RUN_NAME_TAG: Final = "mlflow.runName"
SCORE: Final = "score"

RUNS: Final = Vocabulary(
    prefixes={
        **dict.fromkeys(("metric", "metrics"), Kind.METRIC),
        **dict.fromkeys(("param", "params", "parameter", "parameters"), Kind.PARAM),
        **dict.fromkeys(("tag", "tags"), Kind.TAG),
        **dict.fromkeys(("attribute", "attributes", "attr", "run"), Kind.ATTRIBUTE),
        **dict.fromkeys(("dataset", "datasets"), Kind.DATASET),
    },
    attributes={
        "run_id": LISTED_TEXT,
        "run_name": TEXT,
        "status": TEXT,
        "user_id": TEXT,
        "artifact_uri": TEXT,
        "start_time": NUMBER,
        "end_time": NUMBER,
    },
    labels={Kind.METRIC: NUMBER, Kind.PARAM: LABEL, Kind.TAG: LABEL},
    datasets=dict.fromkeys(("name", "digest", "context"), LISTED_TEXT),
    synonyms={
        "created": "start_time",
        "Created": "start_time",
        "run name": "run_name",
        "Run name": "run_name",
        "Run Name": "run_name",
    },
    # The score is what the evaluation of a training of ours found; clients' runs have none.
    ordered=frozenset(
        {
            "run_id",
            "run_name",
            "status",
            "user_id",
            "artifact_uri",
            "start_time",
            "end_time",
            SCORE,
        }
    ),
    ordered_kinds=frozenset({Kind.METRIC, Kind.PARAM, Kind.TAG}),
)
