"""Runs as the fast path reads them: plain tuples."""

from typing import Final, NamedTuple


class RunRow(NamedTuple):
    """The columns of a run that its `info` needs; a row of ``SELECT`` `RUN_COLUMNS`."""

    id: int
    uuid: str
    name: str
    experiment_id: int
    project_id: int
    user_name: str
    status: str
    start_ms: int | None
    end_ms: int | None
    lifecycle: str
    version: int
    asked_location: str
    kind: str
    dirty: int

    @property
    def artifact_uri(self) -> str:
        """Where clients put the run's files."""
        return f"{self.location}/{self.uuid}/artifacts"

    @property
    def location(self) -> str:
        """The experiment's folder."""
        return self.asked_location or f"mlflow-artifacts:/{self.experiment_id}"


class RunHead(NamedTuple):
    """Which run, and how often it changed: what decides whether its rendered form is still true."""

    id: int
    uuid: str
    version: int


RUN_COLUMNS: Final = (
    "r.id, r.uuid, r.name, r.experiment_id, r.project_id, r.user_name, r.status, r.start_ms, "
    "r.end_ms, r.lifecycle, r.version, e.asked_location, r.kind, r.dirty"
)
RUN_TABLES: Final = "experiments_run r JOIN experiments_experiment e ON e.id = r.experiment_id"
