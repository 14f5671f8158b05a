"""What a logged model says about the versions made of it: the tag ``mlflow.modelVersions``.

Every function works inside the caller's transaction.
"""

import json
from collections.abc import Sequence
from typing import Any, Final

from experiments.models import LoggedModel, LoggedModelTag
from experiments.services.labels import write_labels
from registry.models import ModelVersion, RegisteredModel

MENTIONS_TAG: Final = "mlflow.modelVersions"


def mention(version: ModelVersion) -> None:
    """Write into the version's logged model that it has become this version."""
    if version.logged_model is not None:
        _change(version.logged_model, add={"name": version.model.name, "version": version.number})


def rename_mentions(model: RegisteredModel, old_name: str) -> None:
    """Write the model's new name where logged models mention the old one."""
    for version in _mentioned(model):
        _change(
            version.logged_model,
            remove={"name": old_name, "version": version.number},
            add={"name": model.name, "version": version.number},
        )


def forget_mentions(name: str, versions: Sequence[ModelVersion]) -> None:
    """Remove these versions of the model of this name from what their logged models say."""
    for version in versions:
        if version.logged_model is not None:
            _change(version.logged_model, remove={"name": name, "version": version.number})


def _mentioned(model: RegisteredModel) -> Any:
    return ModelVersion.objects.filter(model=model, logged_model__isnull=False).select_related(
        "logged_model"
    )


def _change(
    model: LoggedModel | None,
    *,
    add: dict[str, Any] | None = None,
    remove: dict[str, Any] | None = None,
) -> None:
    if model is None:
        return
    # Two registered models may take the same logged model at once.
    LoggedModel.objects.select_for_update().get(pk=model.pk)
    tag = LoggedModelTag.objects.filter(model=model, key=MENTIONS_TAG).first()
    before = _parsed(tag.value) if tag is not None else []
    unwanted = [_key(one) for one in (remove, add) if one is not None]
    after = [one for one in before if _key(one) not in unwanted]
    if add is not None:
        after.append(add)
    if after:
        write_labels(LoggedModelTag, {"model": model}, {MENTIONS_TAG: json.dumps(after)})
    elif tag is not None:
        tag.delete()


def _key(entry: Any) -> Any:
    """Return what makes two entries equal; clients write numbers as texts."""
    if not isinstance(entry, dict):
        return repr(entry)
    return str(entry.get("name")), str(entry.get("version"))


def _parsed(text: str) -> list[Any]:
    """Return the list in the tag; clients may have written anything there."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return []
    return found if isinstance(found, list) else []
