"""Registering a run's model as the next version of a registered model."""

from experiments.artifact_paths import joined, run_uri
from experiments.events.runs import RunRegistered, run_topic
from experiments.models import Run
from platform_site.accounts.models import User
from platform_site.core.clock import now
from platform_site.core.errors import Conflict, Invalid
from platform_site.core.names import model_name
from platform_site.core.transactions import write_transaction
from platform_site.events.publish import publish
from platform_site.jobs import states
from platform_site.jobs.models import Job
from registry.events import VersionChanged, project_topic
from registry.models import ModelVersion, RegisteredModel
from registry.services.freezing import freeze
from registry.services.numbers import next_number
from registry.services.trained import OWN_FOLDER, trained_fields


def register_run(*, run: Run, name: str, by: User, description: str = "") -> ModelVersion:
    """Make the run's model the next version under the name; return it.

    The same run under the same name is the same version.

    Raises:
        Invalid: for an impossible name.
        Conflict: when the run has no model (yet).
    """
    clean = model_name(name)
    if run.model_blob_id is None:
        raise Conflict(
            f"The run is {run.status} and has no model to register."
            if run.status in states.FINAL
            else f"The run is {run.status}; it can be registered when it has ended."
        )
    with write_transaction():
        return _register(run, clean, by, description)


def training_ended(job: Job, *, status: str) -> None:
    """Register a finished training by itself if that was asked for; inside the job's end."""
    if status != states.COMPLETED:
        return
    run = Run.objects.select_related("created_by").filter(pk=job.payload["run"]).first()
    if run is None or not run.register_as or run.model_blob_id is None:
        return
    _register(run, run.register_as, run.created_by, "")


def _register(run: Run, name: str, by: User, description: str) -> ModelVersion:
    moment = now()
    model = _model_named(run.project_id, name, by, description)
    existing = ModelVersion.objects.filter(model=model, run=run, model_blob__isnull=False).first()
    if existing is not None:
        return existing
    if run.model_blob is None:
        raise Conflict("The run has no model to register.")
    version = ModelVersion.objects.create(
        model=model,
        number=next_number(model, moment),
        run=run,
        source=f"runs:/{run.uuid}/{OWN_FOLDER}",
        storage_location=joined(run_uri(run.experiment.artifact_location, run.uuid), OWN_FOLDER),
        created_by=by,
        created_at=moment,
        updated_at=moment,
        **trained_fields(run),
    )
    freeze(version)
    publish(
        project_topic(run.project_id),
        VersionChanged(name=model.name, version=version.number, stage=version.stage),
    )
    publish(run_topic(run.uuid), RunRegistered(model=model.name, version=version.number))
    return version


def _model_named(project_id: int, name: str, by: User, description: str) -> RegisteredModel:
    """Return the model of this name, made if new, its row locked.

    Two first registrations at once take the one name; the second waits for the first and then
    finds it, so that each version gets its own number.
    """
    models = RegisteredModel.objects.named(name).filter(project_id=project_id)
    if not models.exists():
        moment = now()
        RegisteredModel.objects.bulk_create(
            [
                RegisteredModel(
                    project_id=project_id,
                    name=name,
                    description=description,
                    created_by=by,
                    created_at=moment,
                    updated_at=moment,
                )
            ],
            ignore_conflicts=True,
        )
    return models.select_for_update().get()


def edit_card(*, version: ModelVersion, card: str) -> ModelVersion:
    """Replace the version's model card.

    Raises:
        Invalid: above 100,000 characters.
    """
    if len(card) > 100_000:
        raise Invalid("A model card has at most 100,000 characters.", field="card")
    with write_transaction():
        version.card = card.replace("\x00", "")
        version.save(update_fields=["card"])
    return version
