"""Experiments, runs and logged models of a running MLflow server, as records."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any, BinaryIO, Final

from experiments.importing import server_records
from experiments.importing.records import (
    ArtifactRecord,
    ExperimentRecord,
    LoggedModelRecord,
    Point,
    RunRecord,
    Unreadable,
)
from experiments.importing.server_client import Server
from experiments.importing.server_registry import ServerRegistry
from experiments.importing.texts import attempt, shown

PAGE: Final = 500
HISTORY_PAGE: Final = 25_000
MODELS_PAGE: Final = 50
DEEPEST_FOLDER: Final = 64
MODEL_FILE: Final = "/ajax-api/2.0/mlflow/logged-models/{}/artifacts/files"
Opener = Callable[[], AbstractContextManager[BinaryIO]]


class ServerSource(ServerRegistry):
    """Reads a server by the calls that every client makes.

    Args:
        server: the server.
    """

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self._keys: dict[str, list[str]] = {}
        self._knows_models: bool | None = None

    def experiments(self) -> Iterator[ExperimentRecord]:
        """Yield every experiment, deleted ones too."""
        for found in self.pages(
            "POST", "experiments/search", "experiments", max_results=PAGE, view_type="ALL"
        ):
            where = f"experiment {found.get('experiment_id')}"
            yield from attempt(self.left_out, where, server_records.experiment, found)

    def count_runs(self, experiment: ExperimentRecord) -> int | None:
        """Servers do not tell."""
        return None

    def runs(self, experiment: ExperimentRecord) -> Iterator[RunRecord]:
        """Yield every run of an experiment, deleted ones too."""
        for found in self.pages(
            "POST", "runs/search", "runs", experiment_ids=[experiment.source_id],
            run_view_type="ALL", max_results=PAGE,
        ):  # fmt: skip
            where = f"run {shown((found.get('info') or {}).get('run_id'))}"
            for record in attempt(self.left_out, where, server_records.run, found):
                metrics = (found.get("data") or {}).get("metrics") or []
                self._keys[record.uuid] = sorted({str(metric["key"]) for metric in metrics})
                yield record

    def points(self, run: RunRecord) -> Iterator[list[Point]]:
        """Yield the points of a run in portions."""
        for key in self._keys.get(run.uuid, []):
            token: str | None = None
            while token != "":
                more = {"page_token": token} if token else {}
                answer = self.server.get(
                    "metrics/get-history", run_id=run.uuid, metric_key=key,
                    max_results=HISTORY_PAGE, **more,
                )  # fmt: skip
                token = str(answer.get("next_page_token") or "")
                where = f"run {run.uuid}, metric {shown(key)}"
                yield [
                    point
                    for found in answer.get("metrics") or []
                    for point in attempt(self.left_out, where, server_records.point, key, found)
                ]

    def logged_models(self, experiment: ExperimentRecord) -> Iterator[LoggedModelRecord]:
        """Yield the logged models of an experiment; servers before 3.0 have none."""
        ids = [experiment.source_id]
        if self._knows_models is None:
            self._knows_models = self.server.has("logged-models/search", experiment_ids=ids)
        if not self._knows_models:
            return
        for found in self.pages(
            "POST", "logged-models/search", "models", experiment_ids=ids, max_results=MODELS_PAGE
        ):
            where = f"logged model {shown((found.get('info') or {}).get('model_id'))}"
            yield from attempt(self.left_out, where, server_records.logged_model, found)

    def artifacts(self, owner: RunRecord | LoggedModelRecord) -> Iterator[ArtifactRecord]:
        """Yield the files of a run or a logged model, as the server hands them out.

        Raises:
            Unreadable: when the server refuses, or names a path that leads elsewhere.
        """
        yield from self._files(owner, "", 0)

    def _files(
        self, owner: RunRecord | LoggedModelRecord, folder: str, depth: int
    ) -> Iterator[ArtifactRecord]:
        if depth > DEEPEST_FOLDER:
            raise Unreadable(f"folders are nested too deeply: {shown(folder)}")
        for entry in self._listing(owner, folder):
            path = str(entry.get("path"))
            # A folder lists what is directly in it; anything else could go round for ever.
            if path.rpartition("/")[0] != folder or path.rpartition("/")[2] in {"", ".", ".."}:
                raise Unreadable(f"a listing names {shown(path)} inside {shown(folder)}")
            if entry.get("is_dir"):
                yield from self._files(owner, path, depth + 1)
            else:
                yield ArtifactRecord(path, self._opener(owner, path))

    def _opener(self, owner: RunRecord | LoggedModelRecord, path: str) -> Opener:
        if isinstance(owner, RunRecord):
            return lambda: self.server.stream("/get-artifact", run_id=owner.uuid, path=path)
        address = MODEL_FILE.format(owner.model_id)
        return lambda: self.server.stream(address, artifact_file_path=path)

    def _listing(
        self, owner: RunRecord | LoggedModelRecord, folder: str
    ) -> Iterator[dict[str, Any]]:
        if isinstance(owner, RunRecord):
            inside = {"path": folder} if folder else {}
            yield from self.pages("GET", "artifacts/list", "files", run_id=owner.uuid, **inside)
        else:
            inside = {"artifact_directory_path": folder} if folder else {}
            address = f"logged-models/{owner.model_id}/artifacts/directories"
            yield from self.pages("GET", address, "files", **inside)
