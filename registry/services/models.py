"""Registered models: made, renamed, described, labelled and deleted."""

from collections.abc import Iterable
from typing import Final

from django.db import IntegrityError

from experiments.services.labels import checked_labels, write_labels
from platform_site.accounts.models import User
from platform_site.core.clock import now
from platform_site.core.errors import AlreadyExists, NotFound
from platform_site.core.names import model_name
from platform_site.core.texts import storable
from platform_site.core.transactions import write_transaction
from platform_site.events.publish import publish
from registry.events import ModelChanged, ModelDeleted, project_topic
from registry.models import ModelVersion, RegisteredModel, RegisteredModelTag
from registry.services.mentions import forget_mentions, rename_mentions
from registry.services.removal import remove_versions

MAX_DESCRIPTION_CHARS: Final = 10_000


def create_model(
    *,
    project_id: int,
    name: str,
    by: User,
    description: str = "",
    tags: Iterable[tuple[str, str]] = (),
) -> RegisteredModel:
    """Return a new registered model without versions.

    Raises:
        Invalid: for an impossible name, description or tag.
        AlreadyExists: when the project has a model of this name, in any spelling of it.
    """
    clean = model_name(name)
    storable(description, field="description", max_chars=MAX_DESCRIPTION_CHARS)
    labels = checked_labels(tags)
    moment = now()
    with write_transaction():
        _require_free(project_id, clean)
        model = _inserted(
            RegisteredModel(
                project_id=project_id,
                name=clean,
                description=description,
                created_by=by,
                created_at=moment,
                updated_at=moment,
            )
        )
        write_labels(RegisteredModelTag, {"model": model}, labels)
        publish(project_topic(project_id), ModelChanged(name=clean))
    return model


def rename_model(*, model: RegisteredModel, name: str) -> RegisteredModel:
    """Give the model another name; versions, tags and aliases stay with it.

    Raises:
        Invalid: for an impossible name.
        AlreadyExists: when another model of the project has the name.
        NotFound: when the model was deleted meanwhile.
    """
    clean = model_name(name)
    with write_transaction():
        model = locked_model(model)
        if RegisteredModel.objects.named(clean).filter(project_id=model.project_id).exclude(
            pk=model.pk
        ).exists():  # fmt: skip
            raise AlreadyExists(f"Registered Model (name={clean}) already exists.")
        old_name = model.name
        model.name = clean
        model.updated_at = now()
        _inserted(model)
        rename_mentions(model, old_name)
        publish(project_topic(model.project_id), ModelChanged(name=clean, old_name=old_name))
    return model


def describe_model(*, model: RegisteredModel, description: str) -> RegisteredModel:
    """Replace the model's description.

    Raises:
        Invalid: above 10,000 characters.
        NotFound: when the model was deleted meanwhile.
    """
    storable(description, field="description", max_chars=MAX_DESCRIPTION_CHARS)
    with write_transaction():
        model = locked_model(model)
        model.description = description
        model.updated_at = now()
        model.save(update_fields=["description", "updated_at"])
        publish(project_topic(model.project_id), ModelChanged(name=model.name))
    return model


def delete_model(*, model: RegisteredModel) -> None:
    """Delete the model with all its versions; the name is free again.

    Raises:
        Conflict: naming what still needs one of its versions; nothing was deleted.
        NotFound: when the model was deleted meanwhile.
    """
    with write_transaction():
        model = locked_model(model)
        versions = ModelVersion.objects.filter(model=model).order_by("number")
        forget_mentions(model.name, list(versions.select_related("logged_model")))
        remove_versions(model, versions)
        model.delete()
        publish(project_topic(model.project_id), ModelDeleted(name=model.name))


def tag_model(*, model: RegisteredModel, key: str, value: str) -> None:
    """Set a tag of the model.

    Raises:
        Invalid: for a key or value that cannot be kept.
        NotFound: when the model was deleted meanwhile.
    """
    labels = checked_labels([(key, value)])
    with write_transaction():
        model = locked_model(model)
        write_labels(RegisteredModelTag, {"model": model}, labels)
        publish(project_topic(model.project_id), ModelChanged(name=model.name))


def untag_model(*, model: RegisteredModel, key: str) -> None:
    """Remove a tag of the model, if it has it."""
    with write_transaction():
        gone, _ = RegisteredModelTag.objects.filter(model=model, key=key).delete()
        if gone:
            publish(project_topic(model.project_id), ModelChanged(name=model.name))


def locked_model(model: RegisteredModel) -> RegisteredModel:
    """Return the model's row of this moment, locked until the caller's transaction ends.

    Raises:
        NotFound: when it was deleted meanwhile.
    """
    fresh = RegisteredModel.objects.select_for_update().filter(pk=model.pk).first()
    if fresh is None:
        raise NotFound(f"Registered Model with name={model.name} not found")
    return fresh


def _require_free(project_id: int, name: str) -> None:
    if RegisteredModel.objects.named(name).filter(project_id=project_id).exists():
        raise AlreadyExists(f"Registered Model (name={name}) already exists.")


def _inserted(model: RegisteredModel) -> RegisteredModel:
    """Save the model; of two that take a name at the same moment, the second hears so."""
    try:
        model.save()
    except IntegrityError as error:
        raise AlreadyExists(f"Registered Model (name={model.name}) already exists.") from error
    return model
