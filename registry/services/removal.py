"""Deleting versions for good, unless something still rests on them."""

from typing import Final

from django.db.models import ProtectedError, QuerySet

from platform_site.core.errors import Conflict
from registry.models import ModelVersion, PredictionBatch, RegisteredModel
from registry.services.freezing import release

CODE: Final = "resource_conflict"


def remove_versions(model: RegisteredModel, versions: QuerySet[ModelVersion]) -> None:
    """Delete these versions of the model, inside the caller's transaction.

    Raises:
        Conflict: naming what still needs one of them.
    """
    used = PredictionBatch.objects.filter(version__in=versions).values_list(
        "version__number", flat=True
    )
    numbers = sorted(set(used))
    if numbers:
        raise Conflict(
            f"{_named(model, numbers)} cannot be deleted: {_files(len(used))} made with it would lose its origin.",
            code=CODE,
            versions=numbers,
        )
    for version in versions:
        release(version)
    try:
        versions.delete()
    except ProtectedError as error:
        needed_by = sorted({str(thing._meta.verbose_name) for thing in error.protected_objects})
        raise Conflict(
            f"A version of {model.name} cannot be deleted: needed by {', '.join(needed_by)}.",
            code=CODE,
        ) from error


def _files(count: int) -> str:
    return "1 file of predictions" if count == 1 else f"{count} files of predictions"


def _named(model: RegisteredModel, numbers: list[int]) -> str:
    shown = ", ".join(str(number) for number in numbers[:5]) + (", …" if numbers[5:] else "")
    return f"Version {shown} of {model.name}"
