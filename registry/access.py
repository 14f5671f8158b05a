"""Who may touch which registered model: returns the object or refuses."""

from platform_site.accounts.access import Need, Person, require, visible_projects
from platform_site.accounts.models import Project
from platform_site.core.errors import Conflict, Invalid, NotFound
from platform_site.core.names import model_name
from registry.models import ModelVersion, PredictionBatch, RegisteredModel

MAX_DATABASE_ID = 2**63 - 1


def get_model(
    user: Person, name: str, *, project: Project | None = None, need: Need = "read"
) -> RegisteredModel:
    """Return the model of this name in the project, or in the only visible project that has one.

    Raises:
        NotFound: for strangers and unknown names, alike.
        Conflict: when several of the person's projects have a model of this name.
        Forbidden: for members whose role is too small.
    """
    projects = visible_projects(user)
    if project is not None:
        projects = projects.filter(pk=project.pk)
    try:
        named = RegisteredModel.objects.named(model_name(name))
    except Invalid:
        named = RegisteredModel.objects.none()
    found = list(named.select_related("project", "created_by").filter(project__in=projects)[:2])
    if not found:
        raise NotFound(f"No such model: {name[:200]}.")
    if len(found) > 1:
        raise Conflict(
            "Several of your projects have a model of this name: name the project"
            " (header X-Assay-Project or ?project=).",
            code="ambiguous_name",
        )
    require(user, found[0].project_id, need=need, what="model")
    return found[0]


def get_version(
    user: Person, name: str, number: int, *, project: Project | None = None, need: Need = "read"
) -> ModelVersion:
    """Return the version with its model, run, dataset version and stored bytes.

    Raises:
        NotFound: for strangers, unknown names and unknown numbers.
        Conflict: when several of the person's projects have a model of this name.
        Forbidden: for members whose role is too small.
    """
    model = get_model(user, name, project=project, need=need)
    version = None
    if 0 < number <= MAX_DATABASE_ID:
        version = (
            ModelVersion.objects.select_related(
                "run__dataset_version__dataset",
                "run__created_by",
                "logged_model",
                "model_blob",
                "created_by",
            )
            .prefetch_related("tags", "aliases")
            .defer(
                "run__model_manifest",
                "run__dataset_version__profile",
                "run__dataset_version__table_schema",
                "run__dataset_version__report",
                "run__dataset_version__difference",
            )
            .filter(model=model, number=number)
            .first()
        )
    if version is None:
        raise NotFound(f"The model has no version {number}.")
    version.model = model
    return version


def get_batch(user: Person, batch_id: int, *, need: Need = "read") -> PredictionBatch:
    """Return the file of predictions with its job and version.

    Raises:
        NotFound: for strangers and unknown numbers, alike.
        Forbidden: for members whose role is too small.
    """
    batch = None
    if 0 < batch_id <= MAX_DATABASE_ID:
        batch = (
            PredictionBatch.objects.select_related(
                "version__model", "job", "output_blob", "input_blob", "created_by"
            )
            .filter(pk=batch_id)
            .first()
        )
    if batch is None:
        raise NotFound("No such file of predictions.")
    require(user, batch.version.model.project_id, need=need, what="file of predictions")
    return batch


def may_follow_batch(user: Person, identity: str) -> None:
    """Refuse unless the person may follow the topic of a file of predictions.

    Raises:
        NotFound: for strangers and for texts that are no number.
    """
    if not (identity.isascii() and identity.isdigit() and len(identity) <= 18):
        raise NotFound("No such file of predictions.")
    get_batch(user, int(identity))
