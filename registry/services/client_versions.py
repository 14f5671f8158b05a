"""Versions that clients of the tracking protocol register: a folder of files, not one of ours."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from django.db import IntegrityError

from experiments.events.runs import RunRegistered, run_topic
from experiments.models import Run
from experiments.services.labels import checked_labels, write_labels
from platform_site.accounts.models import User
from platform_site.core.clock import now
from platform_site.core.errors import AlreadyExists
from platform_site.core.texts import storable
from platform_site.core.transactions import write_transaction
from platform_site.events.publish import publish
from registry.events import VersionChanged, project_topic
from registry.models import ModelVersion, ModelVersionTag, RegisteredModel
from registry.services.freezing import freeze
from registry.services.mentions import mention
from registry.services.models import MAX_DESCRIPTION_CHARS, locked_model
from registry.services.numbers import next_number
from registry.services.origins import Origin, origin_of
from registry.services.trained import OWN_FOLDER, trained_fields

MAX_LINK_CHARS: Final = 2048
MAX_RUN_CHARS: Final = 256


@dataclass(frozen=True, kw_only=True)
class NewVersion:
    """What a client says about a version; ids are its own words until they are found."""

    source: str
    run_id: str = ""
    model_id: str = ""
    run_link: str = ""
    description: str = ""
    tags: Iterable[tuple[str, str]] = ()


def create_version(*, model: RegisteredModel, wanted: NewVersion, by: User) -> ModelVersion:
    """Return the model's next version; its folder in our store cannot be changed from now on.

    Raises:
        Invalid: for a source that is not allowed, and for texts that cannot be kept.
        NotFound: when the model, or the version that is to be copied, does not exist.
        AlreadyExists: when a training of ours is a version of this model already.
    """
    storable(wanted.source, field="source", max_chars=MAX_LINK_CHARS)
    storable(wanted.run_id, field="run_id", max_chars=MAX_RUN_CHARS)
    storable(wanted.model_id, field="model_id", max_chars=MAX_RUN_CHARS)
    storable(wanted.run_link, field="run_link", max_chars=MAX_LINK_CHARS)
    storable(wanted.description, field="description", max_chars=MAX_DESCRIPTION_CHARS)
    labels = checked_labels(wanted.tags)
    with write_transaction():
        model = locked_model(model)
        origin = origin_of(model, wanted.source, run_id=wanted.run_id, model_id=wanted.model_id)
        version = _inserted(model, origin, wanted, by)
        write_labels(ModelVersionTag, {"version": version}, labels)
        mention(version)
        freeze(version)
        publish(
            project_topic(model.project_id),
            VersionChanged(name=model.name, version=version.number, stage=version.stage),
        )
        if origin.run is not None:
            publish(
                run_topic(origin.run.uuid),
                RunRegistered(model=model.name, version=version.number),
            )
    return version


def _inserted(model: RegisteredModel, origin: Origin, wanted: NewVersion, by: User) -> ModelVersion:
    moment = now()
    version = ModelVersion(
        model=model,
        number=next_number(model, moment),
        source=origin.source,
        storage_location=origin.storage_location,
        run=origin.run,
        run_text=origin.run_text,
        logged_model=origin.logged_model,
        run_link=wanted.run_link,
        description=wanted.description,
        created_by=by,
        created_at=moment,
        updated_at=moment,
        **_model_file(origin),
    )
    try:
        version.save(force_insert=True)
    except IntegrityError as error:
        raise AlreadyExists(
            f"This training is a version of {model.name} already; a model takes a training once."
        ) from error
    return version


def _model_file(origin: Origin) -> dict[str, Any]:
    """Return the file of a training of ours, if that is what the version is made of."""
    if origin.copied is not None:
        copied = origin.copied
        return {
            "model_blob": copied.model_blob,
            "manifest": copied.manifest,
            "metrics": copied.metrics,
            "card": copied.card,
        }
    if origin.run is not None and _is_own_folder(origin.run, origin.storage_location):
        return trained_fields(origin.run)
    return {}


def _is_own_folder(run: Run, storage_location: str) -> bool:
    return run.model_blob_id is not None and storage_location.endswith(
        f"/{run.uuid}/artifacts/{OWN_FOLDER}"
    )
