"""Experiments, runs and logged models of an `mlruns` folder, as records."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from experiments.importing import folder_records
from experiments.importing.folder_files import FolderFiles
from experiments.importing.folder_registry import FolderRegistry
from experiments.importing.records import (
    ArtifactRecord,
    DatasetRecord,
    ExperimentRecord,
    LoggedModelRecord,
    ModelMetricRecord,
    Point,
    RunRecord,
    Unreadable,
)
from experiments.importing.roots import Roots
from experiments.importing.texts import attempt, portions

META: Final = "meta.yaml"
RESERVED: Final = frozenset({"tags", "datasets", "traces", "models", "assessments"})
POINTS_AT_ONCE: Final = 5000


class FolderSource(FolderRegistry):
    """Reads an `mlruns` folder as MLflow's file store writes it.

    Args:
        folder: the folder.
        roots: where files may lie; the folder itself and what a person named.
    """

    def __init__(self, folder: Path, roots: Roots) -> None:
        super().__init__(folder, FolderFiles(roots))
        self._places: dict[str, Path] = {}

    def experiments(self) -> Iterator[ExperimentRecord]:
        """Yield every experiment, deleted ones too."""
        live = [
            path
            for path in self.files.folders(self.folder)
            if path.name not in {".trash", "models"}
        ]
        for path in [*live, *self.files.folders(self.folder / ".trash")]:
            if not (path / META).exists():
                continue
            for record in attempt(self.left_out, f"experiment {path.name}", self._experiment, path):
                self._places[record.source_id] = path
                yield record

    def count_runs(self, experiment: ExperimentRecord) -> int:
        """Return how many runs the experiment has."""
        return len(self._run_folders(experiment))

    def runs(self, experiment: ExperimentRecord) -> Iterator[RunRecord]:
        """Yield every run of an experiment, deleted ones too."""
        for path in self._run_folders(experiment):
            for record in attempt(self.left_out, f"run {path.name}", self._run, path):
                self._places[record.uuid] = path
                yield record

    def points(self, run: RunRecord) -> Iterator[list[Point]]:
        """Yield the points of a run in portions; a line that was written twice counts once."""
        place = self._places[run.uuid] / "metrics"
        for key, path in self.files.keyed(place, f"metric of run {run.uuid}"):
            seen: set[Point] = set()
            with path.open(encoding="utf-8", errors="replace") as file:
                for number, line in enumerate(file, 1):
                    where = f"run {run.uuid}, metric {key}, line {number}"
                    seen.update(attempt(self.left_out, where, folder_records.point, key, line))
            # By text of the value, since NaN has no place in an order of numbers.
            ordered = sorted(seen, key=lambda point: (point[2], point[1], str(point[3])))
            yield from portions(ordered, POINTS_AT_ONCE)

    def logged_models(self, experiment: ExperimentRecord) -> Iterator[LoggedModelRecord]:
        """Yield the logged models of an experiment."""
        for path in self.files.folders(self._places[experiment.source_id] / "models"):
            for record in attempt(self.left_out, f"logged model {path.name}", self._model, path):
                self._places[record.model_id] = path
                yield record

    def artifacts(self, owner: RunRecord | LoggedModelRecord) -> Iterator[ArtifactRecord]:
        """Yield the files of a run or a logged model.

        Where the recorded location is elsewhere (a folder that was moved), the folder's own
        `artifacts` is meant.

        Raises:
            Unreadable: when its artifact root is none that may be read.
        """
        name = owner.uuid if isinstance(owner, RunRecord) else owner.model_id
        own = self._places[name] / "artifacts"
        try:
            folder = self.files.roots.folder_of(owner.artifact_uri)
        except Unreadable:
            if not own.is_dir():
                raise
            folder = own
        if not folder.is_dir() and own.is_dir():
            folder = own
        yield from self.files.roots.files_below(self.files.roots.inside(folder))

    def _run_folders(self, experiment: ExperimentRecord) -> list[Path]:
        inside = self.files.folders(self._places[experiment.source_id])
        return [path for path in inside if path.name not in RESERVED and (path / META).exists()]

    def _experiment(self, path: Path) -> ExperimentRecord:
        tags = self.files.pairs(path / "tags", f"tag of experiment {path.name}")
        return folder_records.experiment(self.meta(path), tags)

    def _run(self, path: Path) -> RunRecord:
        where = f"run {path.name}"
        record = folder_records.run(
            self.meta(path),
            params=self.files.pairs(path / "params", f"param of {where}"),
            tags=self.files.pairs(path / "tags", f"tag of {where}"),
        )
        if record.uuid != path.name:
            raise Unreadable("its id is not its folder's name")
        for edge in self._metas(path / "inputs", where):
            if edge.get("source_type") == "DATASET":
                record.datasets += attempt(self.left_out, where, self._dataset, path.parent, edge)
            else:
                record.model_inputs.append(str(edge.get("source_id")))
        for edge in self._metas(path / "outputs", where):
            record.model_outputs.append(folder_records.output(edge))
        return record

    def _dataset(self, experiment: Path, edge: dict[str, Any]) -> DatasetRecord:
        folder = self.files.roots.inside(experiment / "datasets" / str(edge.get("source_id")))
        return folder_records.dataset(self.meta(folder), edge.get("tags") or {})

    def _metas(self, folder: Path, where: str) -> Iterator[dict[str, Any]]:
        for path in self.files.folders(folder):
            yield from attempt(self.left_out, f"{where}, {path.name}", self.meta, path)

    def _model(self, path: Path) -> LoggedModelRecord:
        where = f"logged model {path.name}"
        record = folder_records.logged_model(
            self.meta(path),
            params=self.files.pairs(path / "params", f"param of {where}"),
            tags=self.files.pairs(path / "tags", f"tag of {where}"),
        )
        if record.model_id != path.name:
            raise Unreadable("its id is not its folder's name")
        seen: set[tuple[Any, ...]] = set()
        for key, file in self.files.keyed(path / "metrics", f"metric of {where}"):
            for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
                for metric in attempt(self.left_out, where, folder_records.model_metric, key, line):
                    identity = _identity(metric)
                    if identity not in seen:
                        seen.add(identity)
                        record.metrics.append(metric)
        return record


def _identity(metric: ModelMetricRecord) -> tuple[Any, ...]:
    return (
        metric.run_uuid, metric.key, metric.step, metric.timestamp_ms, str(metric.value),
        metric.dataset_name, metric.dataset_digest,
    )  # fmt: skip
