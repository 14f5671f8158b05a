"""Experiments, runs and models of an MLflow database, as records."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any, Final

from experiments.importing import sql_records
from experiments.importing.records import (
    ArtifactRecord,
    ExperimentRecord,
    LoggedModelRecord,
    Point,
    RunRecord,
)
from experiments.importing.roots import Roots
from experiments.importing.sql_records import Edges, Pairs
from experiments.importing.sql_registry import SqlRegistry
from experiments.importing.sql_tables import IDENTIFIERS_AT_ONCE, PORTION, Row, Tables
from experiments.importing.texts import attempt, portions

EXPERIMENT_COLUMNS: Final = (
    "experiment_id", "name", "artifact_location", "lifecycle_stage", "creation_time",
    "last_update_time",
)  # fmt: skip
RUN_COLUMNS: Final = (
    "run_uuid", "name", "user_id", "status", "start_time", "end_time", "deleted_time",
    "lifecycle_stage", "artifact_uri",
)  # fmt: skip
MODEL_COLUMNS: Final = (
    "model_id", "name", "model_type", "status", "status_message", "source_run_id",
    "lifecycle_stage", "creation_timestamp_ms", "last_updated_timestamp_ms", "artifact_location",
)  # fmt: skip
MODEL_METRIC_COLUMNS: Final = (
    "model_id", "run_id", "metric_name", "metric_step", "metric_timestamp_ms", "metric_value",
    "dataset_name", "dataset_digest",
)  # fmt: skip
DATASET_COLUMNS: Final = (
    "dataset_uuid", "name", "digest", "dataset_source_type", "dataset_source", "dataset_schema",
    "dataset_profile",
)  # fmt: skip


class SqlSource(SqlRegistry):
    """Reads an MLflow database.

    Args:
        tables: the open database.
        roots: local folders from which artifacts may come.
        workspace: which of the source's workspaces is read, if it has several.
    """

    def __init__(self, tables: Tables, roots: Roots, workspace: str) -> None:
        super().__init__(tables, workspace)
        self.roots = roots

    def experiments(self) -> Iterator[ExperimentRecord]:
        """Yield every experiment, deleted ones too."""
        rows = list(
            self.tables.rows(
                "experiments", EXPERIMENT_COLUMNS,
                where={"workspace": self.workspace}, order=["experiment_id"],
            )
        )  # fmt: skip
        tags = self._pairs(
            "experiment_tags", ("experiment_id", "key", "value"), [row[0] for row in rows], 20_000
        )
        for row in rows:
            yield from attempt(
                self.left_out, f"experiment {row[0]}", sql_records.experiment, row, tags
            )

    def count_runs(self, experiment: ExperimentRecord) -> int:
        """Return how many runs the experiment has."""
        return self.tables.count("runs", {"experiment_id": int(experiment.source_id)})

    def runs(self, experiment: ExperimentRecord) -> Iterator[RunRecord]:
        """Yield every run of an experiment, deleted ones too."""
        rows = self.tables.rows(
            "runs", RUN_COLUMNS, where={"experiment_id": int(experiment.source_id)},
            order=["start_time", "run_uuid"],
        )  # fmt: skip
        # Read at once: some drivers allow one open cursor only.
        for portion in portions(list(rows), IDENTIFIERS_AT_ONCE):
            uuids = [row[0] for row in portion]
            params = self._pairs("params", ("run_uuid", "key", "value"), uuids, 100_000)
            tags = self._pairs("tags", ("run_uuid", "key", "value"), uuids, 100_000)
            edges = self._edges(uuids)
            for row in portion:
                yield from attempt(
                    self.left_out, f"run {row[0]}", sql_records.run, row, params, tags, edges
                )

    def points(self, run: RunRecord) -> Iterator[list[Point]]:
        """Yield the points of a run in portions."""
        rows = self.tables.rows(
            "metrics", ("key", "step", "timestamp", "value", "is_nan"),
            where={"run_uuid": run.uuid}, order=["key", "timestamp", "step", "value", "is_nan"],
        )  # fmt: skip
        for portion in portions(rows, PORTION):
            points = [
                record
                for row in portion
                for record in attempt(
                    self.left_out, f"run {run.uuid}, a metric point", sql_records.point, row
                )
            ]
            if points:
                yield points

    def logged_models(self, experiment: ExperimentRecord) -> Iterator[LoggedModelRecord]:
        """Yield the logged models of an experiment."""
        rows = self.tables.rows(
            "logged_models", MODEL_COLUMNS, where={"experiment_id": int(experiment.source_id)},
            order=["creation_timestamp_ms", "model_id"],
        )  # fmt: skip
        for portion in portions(list(rows), IDENTIFIERS_AT_ONCE):
            ids = [row[0] for row in portion]
            params = self._pairs(
                "logged_model_params", ("model_id", "param_key", "param_value"), ids, 100_000
            )
            tags = self._pairs(
                "logged_model_tags", ("model_id", "tag_key", "tag_value"), ids, 100_000
            )
            metrics: dict[str, list[Row]] = defaultdict(list)
            for metric in self.tables.rows(
                "logged_model_metrics", MODEL_METRIC_COLUMNS, where={"model_id": ids},
                order=["model_id", "metric_name", "metric_step"],
            ):  # fmt: skip
                metrics[metric[0]].append(metric)
            for row in portion:
                yield from attempt(
                    self.left_out,
                    f"logged model {row[0]}",
                    sql_records.logged_model,
                    row,
                    params,
                    tags,
                    metrics,
                )

    def artifacts(self, owner: RunRecord | LoggedModelRecord) -> Iterator[ArtifactRecord]:
        """Yield the files of a run or a logged model.

        Raises:
            Unreadable: when its artifact root is none that may be read.
        """
        if owner.artifact_uri:
            yield from self.roots.files_below(self.roots.folder_of(owner.artifact_uri))

    def _edges(self, uuids: list[str]) -> Edges:
        inputs = list(
            self.tables.rows(
                "inputs", ("input_uuid", "source_type", "source_id", "destination_type",
                           "destination_id", "step"),
                where={"destination_id": uuids}, order=["input_uuid"],
            )
        )  # fmt: skip
        outputs = self.tables.rows(
            "inputs", ("source_id", "destination_type", "destination_id", "step"),
            where={"source_id": uuids}, order=["input_uuid"],
        )  # fmt: skip
        edges = Edges()
        for source, kind, destination, step in list(outputs):
            if kind == "MODEL_OUTPUT":
                edges.outputs[source].append((destination, step))
        datasets = self._datasets([row[2] for row in inputs if row[1] == "DATASET"])
        labels = self._pairs(
            "input_tags", ("input_uuid", "name", "value"), [row[0] for row in inputs], 10_000
        )
        for input_uuid, kind, source, _, run_uuid, _step in inputs:
            if kind == "DATASET" and source in datasets:
                tags = sorted(labels.get(input_uuid, {}).items())
                edges.datasets[run_uuid].append((datasets[source], tags))
            elif kind.startswith("MODEL"):
                edges.models[run_uuid].append(source)
        return edges

    def _datasets(self, ids: list[str]) -> dict[str, Row]:
        found: dict[str, Row] = {}
        for portion in portions(sorted(set(ids)), IDENTIFIERS_AT_ONCE):
            rows = self.tables.rows(
                "datasets", DATASET_COLUMNS, where={"dataset_uuid": list(portion)},
                order=["dataset_uuid"],
            )  # fmt: skip
            found |= {row[0]: row[1:] for row in rows}
        return found

    def _pairs(
        self, table: str, columns: tuple[str, str, str], ids: list[Any], limit: int
    ) -> Pairs:
        found: Pairs = defaultdict(dict)
        for portion in portions(ids, IDENTIFIERS_AT_ONCE):
            rows = self.tables.rows(
                table, columns, where={columns[0]: list(portion)}, order=columns[:2]
            )
            for owner, key, value in rows:
                where = f"{table} of {owner}"
                for pair in attempt(self.left_out, where, sql_records.pair, key, value, limit):
                    found[str(owner)][pair[0]] = pair[1]
        return found
