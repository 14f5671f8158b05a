"""Registering a run's model as the next version of a registered model."""

from datetime import datetime
from typing import Any

from experiments.events.runs import RunRegistered, run_topic
from experiments.models import Run, RunReport
from platform_site.accounts.models import User
from platform_site.core.clock import now
from platform_site.core.errors import Conflict, Invalid
from platform_site.core.names import model_name
from platform_site.core.transactions import write_transaction
from platform_site.events.publish import publish
from platform_site.jobs import states
from platform_site.jobs.models import Job
from registry.models import ModelVersion, RegisteredModel


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
    model, _ = RegisteredModel.objects.get_or_create(
        project_id=run.project_id,
        name__iexact=name,
        defaults={
            "name": name, "created_by": by, "created_at": moment, "updated_at": moment,
            "description": description,
        },
    )  # fmt: skip
    # Locks the model, so that of two registrations at once each gets its own number.
    model = RegisteredModel.objects.select_for_update().get(pk=model.pk)
    existing = ModelVersion.objects.filter(model=model, run=run).first()
    if existing is not None:
        return existing
    if run.model_blob is None:
        raise Conflict("The run has no model to register.")
    report = RunReport.objects.filter(run=run).first()
    result: dict[str, Any] = report.result if report is not None else {}
    version = ModelVersion.objects.create(
        model=model,
        number=next_number(model, moment),
        run=run,
        model_blob=run.model_blob,
        manifest=run.model_manifest,
        metrics=result.get("metrics", {}),
        card=report.model_card if report is not None else "",
        source=f"runs:/{run.uuid}/model",
        created_by=by,
        created_at=moment,
        updated_at=moment,
    )
    publish(run_topic(run.uuid), RunRegistered(model=model.name, version=version.number))
    return version


def next_number(model: RegisteredModel, moment: datetime) -> int:
    """Return the model's next version number; its row is locked by the caller's transaction."""
    model.last_number += 1
    model.updated_at = moment
    model.save(update_fields=["last_number", "updated_at"])
    return model.last_number


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


def describe_model(*, model: RegisteredModel, description: str) -> RegisteredModel:
    """Replace the model's description.

    Raises:
        Invalid: above 10,000 characters.
    """
    if len(description) > 10_000:
        raise Invalid("A description has at most 10,000 characters.", field="description")
    with write_transaction():
        model.description = description
        model.save(update_fields=["description"])
    return model
