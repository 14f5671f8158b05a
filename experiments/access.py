"""Who may touch which object of this app: returns the object or refuses."""

from collections.abc import Sequence

from experiments.models import Dataset, DatasetVersion, Experiment, Run, Trace
from platform_site.accounts.access import Need, Person, require
from platform_site.core.errors import NotFound
from platform_site.core.ids import RUN_ID

MAX_DATABASE_ID = 2**63 - 1
RUN_RELATIONS = (
    "project",
    "experiment",
    "job",
    "created_by",
    "dataset_version__dataset",
    "test_version__dataset",
    "model_blob",
)
RUN_OWN_HEAVY = ("spec", "environment", "model_manifest", "notes")
RUN_HEAVY = (
    "dataset_version__profile",
    "dataset_version__table_schema",
    "dataset_version__report",
    "dataset_version__difference",
    "test_version__profile",
    "test_version__table_schema",
    "test_version__report",
    "test_version__difference",
    "model_manifest",
)


def get_dataset(user: Person, dataset_id: int, *, need: Need = "read") -> Dataset:
    """Return the dataset with its project if the person may do this with it.

    Raises:
        NotFound: for strangers and for numbers that no dataset has, alike.
        Forbidden: for members whose role is too small.
    """
    dataset = None
    if 0 < dataset_id <= MAX_DATABASE_ID:
        dataset = (
            Dataset.objects.select_related("project", "created_by", "fetch_job")
            .filter(pk=dataset_id)
            .first()
        )
    if dataset is None:
        raise NotFound("No such dataset.")
    require(user, dataset.project_id, need=need, what="dataset")
    return dataset


def get_version(
    user: Person, dataset_id: int, number: int, *, need: Need = "read"
) -> DatasetVersion:
    """Return the version with its dataset, stored bytes and job; its profile is read on first use.

    Raises:
        NotFound: for strangers, unknown datasets and unknown numbers.
        Forbidden: for members whose role is too small.
    """
    dataset = get_dataset(user, dataset_id, need=need)
    version = None
    if 0 < number <= MAX_DATABASE_ID:
        version = (
            DatasetVersion.objects.select_related("blob", "table_blob", "job", "created_by")
            .defer("profile")
            .filter(dataset=dataset, number=number)
            .first()
        )
    if version is None:
        raise NotFound(f"This dataset has no version {number}.")
    version.dataset = dataset
    return version


def may_follow_dataset(user: Person, identity: str) -> None:
    """Refuse unless the person may follow the dataset's topic.

    Raises:
        NotFound: for strangers and for texts that are no dataset's number.
    """
    if not (identity.isascii() and identity.isdigit() and len(identity) <= 18):
        raise NotFound("No such dataset.")
    get_dataset(user, int(identity))


def get_run(user: Person, uuid: str, *, need: Need = "read") -> Run:
    """Return the run with its job, dataset version and author if the person may do this with it.

    Raises:
        NotFound: for strangers and for ids that no run has, alike.
        Forbidden: for members whose role is too small.
    """
    run = None
    if RUN_ID.fullmatch(uuid):
        run = Run.objects.select_related(*RUN_RELATIONS).defer(*RUN_HEAVY).filter(uuid=uuid).first()
    return _permitted(run, user, need, "run")


def get_experiment(user: Person, experiment_id: int, *, need: Need = "read") -> Experiment:
    """Return the experiment with its project if the person may do this with it.

    Raises:
        NotFound: for strangers and for numbers that no experiment has, alike.
        Forbidden: for members whose role is too small.
    """
    experiment = None
    if 0 <= experiment_id <= MAX_DATABASE_ID:
        experiment = Experiment.objects.select_related("project").filter(pk=experiment_id).first()
    if experiment is None:
        raise NotFound("No such experiment.")
    require(user, experiment.project_id, need=need, what="experiment")
    return experiment


def get_runs(user: Person, uuids: Sequence[str], *, need: Need = "read") -> list[Run]:
    """Return the runs in the order of their ids if the person may do this with all of them.

    Raises:
        NotFound: when one of them does not exist or belongs to a project of strangers.
        Forbidden: for members whose role is too small.
    """
    known = Run.objects.select_related("experiment").defer(*RUN_OWN_HEAVY)
    wanted = [one for one in dict.fromkeys(uuids) if RUN_ID.fullmatch(one)]
    runs = {run.uuid: run for run in known.filter(uuid__in=wanted)}
    if len(runs) < len(set(uuids)):
        raise NotFound("One of these runs does not exist.")
    for project_id in {run.project_id for run in runs.values()}:
        require(user, project_id, need=need, what="run")
    return [runs[one] for one in wanted]


def get_training_job(user: Person, job_id: int, *, need: Need = "read") -> Run:
    """Return the run that a training job works on, if the person may do this with it.

    Raises:
        NotFound: for strangers and for numbers that no training job has, alike.
        Forbidden: for members whose role is too small.
    """
    run = None
    if 0 < job_id <= MAX_DATABASE_ID:
        run = (
            Run.objects.select_related(*RUN_RELATIONS)
            .defer(*RUN_HEAVY)
            .filter(job_id=job_id)
            .first()
        )
    return _permitted(run, user, need, "training job")


def get_trace(user: Person, trace_id: str, *, need: Need = "read") -> Trace:
    """Return the trace with its experiment if the person may do this with it.

    Raises:
        NotFound: for strangers and for ids that no trace has, alike.
        Forbidden: for members whose role is too small.
    """
    trace = Trace.objects.select_related("experiment").filter(trace_id=trace_id[:100]).first()
    if trace is None:
        raise NotFound("No such trace.")
    require(user, trace.experiment.project_id, need=need, what="trace")
    return trace


def _permitted(run: Run | None, user: Person, need: Need, what: str) -> Run:
    if run is None:
        raise NotFound(f"No such {what}.")
    require(user, run.project_id, need=need, what=what)
    return run


def may_follow_run(user: Person, identity: str) -> None:
    """Refuse unless the person may follow the run's topic.

    Raises:
        NotFound: for strangers and for texts that are no run's id.
    """
    get_run(user, identity)


def may_follow_project(user: Person, identity: str) -> None:
    """Refuse unless the person may follow the project's topic.

    Raises:
        NotFound: for strangers and for texts that are no project's number.
    """
    if not (identity.isascii() and identity.isdigit() and len(identity) <= 18):
        raise NotFound("No such project.")
    require(user, int(identity), need="read", what="project")
