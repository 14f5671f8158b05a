"""Registered models and versions as clients of the protocol read them; what is empty is left out."""

from collections.abc import Iterable, Sequence
from typing import Any

from platform_site.core.clock import epoch_ms
from registry.models import ModelVersion, ModelVersionTag, RegisteredModel, RegisteredModelTag


def model_shape(model: RegisteredModel, latest: Sequence[ModelVersion]) -> dict[str, Any]:
    """Return a model (tags and aliases prefetched) with the newest version of each stage."""
    aliases = sorted((alias.name, alias.version.number) for alias in model.aliases.all())
    return filled(
        {
            "name": model.name,
            "creation_timestamp": epoch_ms(model.created_at),
            "last_updated_timestamp": epoch_ms(model.updated_at),
            "description": model.description,
            "tags": _tags(model.tags.all()),
            "aliases": [{"alias": name, "version": str(number)} for name, number in aliases],
            "latest_versions": [version_shape(version) for version in latest],
        }
    )


def version_shape(version: ModelVersion) -> dict[str, Any]:
    """Return a version (`protocol_versions`)."""
    return filled(
        {
            "name": version.model.name,
            "version": str(version.number),
            "creation_timestamp": epoch_ms(version.created_at),
            "last_updated_timestamp": epoch_ms(version.updated_at),
            "current_stage": version.stage,
            "description": version.description,
            "source": version.source,
            "run_id": version.run.uuid if version.run is not None else version.run_text,
            "run_link": version.run_link,
            "status": "READY",
            "tags": _tags(version.tags.all()),
            "aliases": sorted(alias.name for alias in version.aliases.all()),
            "model_id": version.logged_model.model_id if version.logged_model is not None else "",
        }
    )


def filled(values: dict[str, Any]) -> dict[str, Any]:
    """Return the values without empty texts, empty lists and None."""
    return {name: value for name, value in values.items() if value not in ("", None, [])}


def _tags(tags: Iterable[RegisteredModelTag | ModelVersionTag]) -> list[dict[str, str]]:
    return [{"key": tag.key, "value": tag.value} for tag in sorted(tags, key=lambda tag: tag.key)]
