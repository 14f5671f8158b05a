"""Runs, models and files for tests of the artifact tree."""

from assets.storage import write_blob
from experiments.artifact_paths import clean_path
from experiments.models import ArtifactFile, Experiment, LoggedModel, Run
from experiments.selectors.artifact_places import Place, place_for
from experiments.services.artifacts import put_file
from platform_site.accounts.callers import Caller, caller_for
from platform_site.core.clock import now, now_ms
from platform_site.core.ids import new_run_id
from tests.people import person, project_of


def make_experiment(project=None, *, name="Stars", **fields) -> Experiment:
    """Return an experiment of the project (default: one of Alice's)."""
    alice = person("alice")
    moment = now()
    return Experiment.objects.create(
        project=project or project_of((alice, "editor")),
        name=name,
        created_by=alice,
        created_at=moment,
        updated_at=moment,
        **fields,
    )


def make_run(project=None, *, experiment=None, **fields) -> Run:
    """Return a run that a client logs to."""
    experiment = experiment or make_experiment(project, name=f"Of {new_run_id()[:8]}")
    return Run.objects.create(
        project=experiment.project,
        experiment=experiment,
        name="tried",
        kind=Run.Kind.TRACKED,
        status="running",
        created_by=person("alice"),
        created_at=now(),
        **fields,
    )


def make_model(experiment, **fields) -> LoggedModel:
    """Return a logged model."""
    moment_ms = now_ms()
    return LoggedModel.objects.create(
        model_id=f"m-{new_run_id()}",
        experiment=experiment,
        name="tree",
        created_by=person("alice"),
        created_ms=moment_ms,
        updated_ms=moment_ms,
        **fields,
    )


def folder_of(run) -> str:
    """Return the folder of the run's files."""
    return f"{run.experiment_id}/{run.uuid}/artifacts"


def caller_of(user) -> Caller:
    """Return the person as a caller who may write."""
    return caller_for(user, may_write=True)


def place(user, path, *, need="write") -> Place:
    """Return the place of a path for this person."""
    caller = caller_of(user)
    return place_for(caller, clean_path(path), need=need, own_project=caller.default_project)


def put(user, path, content=b"content") -> ArtifactFile:
    """Store bytes under a path."""
    return put_file(place=place(user, path), stored=write_blob([content]), by_id=user.pk)
