"""Bringing a whole source here, object by object, each compared as soon as it is written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from experiments.events.runs import RunsChanged, project_topic
from experiments.importing import experiments_in, models_in, points_in, runs_in
from experiments.importing.artifacts_in import bring_files
from experiments.importing.records import (
    ExperimentRecord,
    LoggedModelRecord,
    RunRecord,
    Source,
    Unreadable,
)
from experiments.importing.reports import Report
from experiments.importing.tallies import Tallies, Tally
from experiments.importing.targets import Target
from experiments.models import Experiment, LoggedModel, Run, RunModel
from platform_site.core.transactions import write_transaction
from platform_site.events.publish import publish

Edge = tuple[str, str, str, int]
"""Run, logged model, direction, step."""


@dataclass(slots=True)
class Transfer:
    """One import: what it reads, where it writes, what it found.

    Cut off at any moment it can be started again: what is here is found by its id (experiments by
    their name) and compared, what is missing is added, and nothing is ever written over.
    """

    source: Source
    target: Target
    report: Report
    with_files: bool = True
    _n_told: int = 0

    def run(self) -> None:
        """Bring experiments, runs, points, files and logged models."""
        pairs = [(record, self._experiment(record)) for record in self.source.experiments()]
        edges: list[Edge] = []
        for record, experiment in pairs:
            self.target.tell(f"experiment {record.name[:60]}")
            for run in self.source.runs(record):
                edges += _edges(run)
                with self._leaving_out(f"run {run.uuid}"):
                    self._run(experiment, run)
            self._tell_pages()
        for record, experiment in pairs:
            for model in self.source.logged_models(record):
                with self._leaving_out(f"logged model {model.model_id}"):
                    self._model(experiment, model)
        for edge in edges:
            self._edge(edge)

    def _tell_pages(self) -> None:
        """Let open pages look again; one event for an experiment, however many runs it has."""
        n_runs = self.report.added.get("runs", 0) - self._n_told
        if n_runs:
            with write_transaction():
                project_id = self.target.project.pk
                publish(project_topic(project_id), RunsChanged(runs=[], n_runs=n_runs))
            self._n_told += n_runs

    @contextmanager
    def _leaving_out(self, where: str) -> Iterator[None]:
        try:
            yield
        except Unreadable as problem:
            self.report.left_out.append(f"{where}: {problem}")

    def _experiment(self, record: ExperimentRecord) -> Experiment | None:
        found = experiments_in.find_experiment(self.target, record)
        if self.target.may_write:
            experiment: Experiment | None = experiments_in.bring_experiment(self.target, record)
            self.report.add("experiments", int(found is None))
        else:
            experiment = found
        ours: Tallies = {}
        if experiment is not None:
            ours = experiments_in.tallies_of_experiment(experiment, record)
            if str(experiment.pk) != record.source_id:
                self.report.renumbered[record.source_id] = str(experiment.pk)
        theirs = experiments_in.tallies_of_record(record)
        self.report.compare(f"experiment {record.name[:60]}", theirs, ours)
        return experiment

    def _run(self, experiment: Experiment | None, record: RunRecord) -> None:
        known = runs_in.find_run(self.target, experiment, record) if experiment else None
        run = known
        if self.target.may_write and experiment is not None and self._lacks(known, record):
            run = runs_in.bring_run(self.target, experiment, record)
            self.report.add("runs", int(known is None))
        theirs = runs_in.tallies_of_record(record)
        ours: Tallies = runs_in.tallies_of_run(run, record) if run is not None else {}
        theirs["points"], ours["points"] = self._points(record, known, run)
        if self.with_files:
            self._files("run artifacts", record, run, theirs, ours)
        self.report.compare(f"run {record.uuid}", theirs, ours)
        self.target.tell("runs")

    def _lacks(self, run: Run | None, record: RunRecord) -> bool:
        if run is None:
            return True
        theirs, ours = runs_in.tallies_of_record(record), runs_in.tallies_of_run(run, record)
        return any(theirs[kind] != ours[kind] for kind in ("params", "tags", "datasets"))

    def _points(self, record: RunRecord, known: Run | None, run: Run | None) -> tuple[Tally, Tally]:
        if run is None or not self.target.may_write:
            return points_in.tally_of_source(self.source, record), points_in.tally_of_run(run)
        if known is None:
            theirs = points_in.bring_all(self.source, record, run)
            self.report.add("points", theirs.count)
            return theirs, points_in.tally_of_run(run)
        theirs, ours = points_in.tally_of_source(self.source, record), points_in.tally_of_run(run)
        if theirs != ours:
            self.report.add("points", points_in.bring_missing(self.source, record, run))
            ours = points_in.tally_of_run(run)
        return theirs, ours

    def _files(
        self,
        kind: str,
        record: RunRecord | LoggedModelRecord,
        owner: Run | LoggedModel | None,
        theirs: Tallies,
        ours: Tallies,
    ) -> None:
        files = bring_files(self.target, self.source, record, owner)
        theirs[kind], ours[kind] = files.theirs, files.ours
        self.report.add(kind, files.added)
        self.report.left_out += files.left_out

    def _model(self, experiment: Experiment | None, record: LoggedModelRecord) -> None:
        known = models_in.find_model(self.target, experiment, record) if experiment else None
        model = known
        if self.target.may_write and experiment is not None:
            model = models_in.bring_model(self.target, experiment, record)
            self.report.add("logged models", int(known is None))
        theirs = models_in.tallies_of_record(record)
        ours: Tallies = models_in.tallies_of_model(model, record) if model is not None else {}
        if self.with_files:
            self._files("model artifacts", record, model, theirs, ours)
        self.report.compare(f"logged model {record.model_id}", theirs, ours)
        self.target.tell("logged models")

    def _edge(self, edge: Edge) -> None:
        is_here, is_new = models_in.bring_edge(self.target, *edge, may_write=self.target.may_write)
        theirs, ours = Tally(), Tally()
        theirs.add_texts(*edge)
        if is_here:
            ours.add_texts(*edge)
        self.report.add("runs' models", int(is_new))
        self.report.compare(f"run {edge[0]}", {"runs' models": theirs}, {"runs' models": ours})


def _edges(run: RunRecord) -> Iterator[Edge]:
    yield from ((run.uuid, model, RunModel.Direction.INPUT, 0) for model in run.model_inputs)
    for model, step in run.model_outputs:
        yield run.uuid, model, RunModel.Direction.OUTPUT, step
