"""What may change about a version: description, stage, tags, aliases; and its deletion."""

import re
from typing import Final

from experiments.services.labels import checked_labels, write_labels
from platform_site.core.clock import now
from platform_site.core.errors import Invalid, NotFound
from platform_site.core.texts import storable
from platform_site.core.transactions import write_transaction
from platform_site.events.publish import publish
from registry.events import ModelChanged, VersionChanged, VersionDeleted, project_topic
from registry.models import ModelAlias, ModelVersion, ModelVersionTag, RegisteredModel
from registry.services.mentions import forget_mentions
from registry.services.models import MAX_DESCRIPTION_CHARS, locked_model
from registry.services.removal import remove_versions

ALIAS: Final = re.compile(r"[\w\-]+")
MAX_ALIAS_CHARS: Final = 255
VERSION_LIKE: Final = re.compile(r"[vV]\d+")
ARCHIVING_STAGES: Final = (ModelVersion.Stage.STAGING, ModelVersion.Stage.PRODUCTION)
STAGES: Final = {str(stage).lower(): stage for stage in ModelVersion.Stage}


def describe_version(*, version: ModelVersion, description: str) -> ModelVersion:
    """Replace the version's description.

    Raises:
        Invalid: above 10,000 characters.
        NotFound: when the version was deleted meanwhile.
    """
    storable(description, field="description", max_chars=MAX_DESCRIPTION_CHARS)
    with write_transaction():
        version = _locked(version)
        version.description = description
        version.updated_at = now()
        version.save(update_fields=["description", "updated_at"])
        _tell(version)
    return version


def move_version(
    *, version: ModelVersion, stage: str, archive_others: bool = False
) -> ModelVersion:
    """Put the version into a stage; others of that stage are archived if wanted.

    Raises:
        Invalid: for an unknown stage, or archiving for a stage that is not in use.
        NotFound: when the version was deleted meanwhile.
    """
    wanted = known_stage(stage)
    if archive_others and wanted not in ARCHIVING_STAGES:
        raise Invalid(
            "Existing versions can only be archived when a version moves to Staging or Production.",
            field="archive_existing_versions",
        )
    moment = now()
    with write_transaction():
        version = _locked(version)
        version.stage = wanted
        version.updated_at = moment
        version.save(update_fields=["stage", "updated_at"])
        RegisteredModel.objects.filter(pk=version.model_id).update(updated_at=moment)
        archived = _archive_others(version) if archive_others else []
        for other in archived:
            _tell(other)
        _tell(version)
    return version


def known_stage(text: str) -> ModelVersion.Stage:
    """Return the stage that a client means, in whatever case.

    Raises:
        Invalid: for another text.
    """
    stage = STAGES.get(text.lower())
    if stage is None:
        known = ", ".join(ModelVersion.Stage)
        raise Invalid(f"Invalid stage {text[:100]!r}: it must be one of {known}.", field="stage")
    return stage


def tag_version(*, version: ModelVersion, key: str, value: str) -> None:
    """Set a tag of the version.

    Raises:
        Invalid: for a key or value that cannot be kept.
        NotFound: when the version was deleted meanwhile.
    """
    labels = checked_labels([(key, value)])
    with write_transaction():
        version = _locked(version)
        write_labels(ModelVersionTag, {"version": version}, labels)
        _tell(version)


def untag_version(*, version: ModelVersion, key: str) -> None:
    """Remove a tag of the version, if it has it."""
    with write_transaction():
        gone, _ = ModelVersionTag.objects.filter(version=version, key=key).delete()
        if gone:
            _tell(version)


def set_alias(*, version: ModelVersion, alias: str) -> None:
    """Let the alias point to this version of its model, whatever it pointed to before.

    Raises:
        Invalid: for a name that is not allowed.
        NotFound: when the version was deleted meanwhile.
    """
    name = checked_alias(alias)
    if name.lower() == "latest" or VERSION_LIKE.fullmatch(name):
        raise Invalid(f"The alias name '{name}' is reserved.", field="alias")
    with write_transaction():
        version = _locked(version)
        ModelAlias.objects.bulk_create(
            [ModelAlias(model=version.model, name=name, version=version)],
            update_conflicts=True,
            unique_fields=["model", "name"],
            update_fields=["version"],
        )
        _tell_model(version.model)


def drop_alias(*, model: RegisteredModel, alias: str) -> None:
    """Remove the alias of the model, if it has it."""
    with write_transaction():
        gone, _ = ModelAlias.objects.filter(model=model, name=alias).delete()
        if gone:
            _tell_model(model)


def checked_alias(alias: str) -> str:
    """Return the name of an alias as it is.

    Raises:
        Invalid: when it is empty, too long or holds other characters than letters, digits,
            underscores and dashes.
    """
    if not ALIAS.fullmatch(alias) or len(alias) > MAX_ALIAS_CHARS:
        raise Invalid(
            f"Invalid alias name: '{alias[:100]}'. An alias has 1 to {MAX_ALIAS_CHARS} letters,"
            " digits, underscores and dashes.",
            field="alias",
        )
    return alias


def delete_version(*, version: ModelVersion) -> None:
    """Delete the version with its tags and aliases; its number is not used again.

    Raises:
        Conflict: naming what still needs it; nothing was deleted.
        NotFound: when it was deleted meanwhile.
    """
    with write_transaction():
        version = _locked(version)
        model = version.model
        forget_mentions(model.name, [version])
        remove_versions(model, ModelVersion.objects.filter(pk=version.pk))
        RegisteredModel.objects.filter(pk=model.pk).update(updated_at=now())
        publish(
            project_topic(model.project_id),
            VersionDeleted(name=model.name, version=version.number),
        )


def _locked(version: ModelVersion) -> ModelVersion:
    """Return the version of this moment; its model's row is locked, which all writers lock first.

    Raises:
        NotFound: when it was deleted meanwhile.
    """
    model = locked_model(version.model)
    fresh = (
        ModelVersion.objects.select_related("logged_model", "run")
        .defer("manifest", "card", "run__spec", "run__environment", "run__model_manifest")
        .filter(pk=version.pk)
        .first()
    )
    if fresh is None:
        raise NotFound(f"Model Version (name={model.name}, version={version.number}) not found")
    fresh.model = model
    return fresh


def _archive_others(version: ModelVersion) -> list[ModelVersion]:
    others = list(
        ModelVersion.objects.only("number", "model")
        .filter(model_id=version.model_id, stage=version.stage)
        .exclude(pk=version.pk)
    )
    ModelVersion.objects.filter(pk__in=[other.pk for other in others]).update(
        stage=ModelVersion.Stage.ARCHIVED, updated_at=version.updated_at
    )
    for other in others:
        other.model = version.model
        other.stage = ModelVersion.Stage.ARCHIVED
    return others


def _tell(version: ModelVersion) -> None:
    publish(
        project_topic(version.model.project_id),
        VersionChanged(name=version.model.name, version=version.number, stage=version.stage),
    )


def _tell_model(model: RegisteredModel) -> None:
    publish(project_topic(model.project_id), ModelChanged(name=model.name))
