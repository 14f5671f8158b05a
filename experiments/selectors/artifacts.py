"""Reading the artifact tree: folders, files, sizes."""

from typing import NamedTuple

from django.conf import settings
from django.db import connection
from django.db.models import F, Q, QuerySet, Sum, Value
from django.db.models.functions import StrIndex, Substr

from experiments.artifact_paths import name_of
from experiments.models import ArtifactFile
from experiments.selectors.artifact_places import NO_SUCH_FILE, Place
from platform_site.core.errors import Invalid, NotFound

AFTER_SLASH = "0"  # the character that follows "/"


class Entry(NamedTuple):
    """A name in a folder; a folder's size is None."""

    name: str
    is_dir: bool
    size_bytes: int | None


def below(folder: str, field: str = "path") -> Q:
    """Return the condition on a field of paths for everything inside the folder, at any depth.

    Every form uses the index on project and path; `LIKE` on SQLite ignores case.
    """
    if not folder:
        return Q()
    if connection.vendor == "postgresql":
        return Q((f"{field}__startswith", f"{folder}/"))
    return Q((f"{field}__gte", f"{folder}/"), (f"{field}__lt", f"{folder}{AFTER_SLASH}"))


def files_below(project_id: int, folder: str) -> QuerySet[ArtifactFile]:
    """Return the files inside the folder, at any depth."""
    return ArtifactFile.objects.filter(below(folder), project_id=project_id)


def list_folder(place: Place) -> list[Entry]:
    """Return what is directly in the folder, by name; nothing for a file or an absent folder."""
    skipped = len(place.path) + 1 if place.path else 0
    inside = files_below(place.project_id, place.path).annotate(
        rest=Substr("path", skipped + 1), cut=StrIndex("rest", Value("/"))
    )
    files = inside.filter(cut=0).values_list("rest", "size_bytes")
    folders = (
        inside.filter(cut__gt=0)
        .annotate(folder=Substr("rest", 1, F("cut") - 1))
        .order_by()
        .values_list("folder", flat=True)
        .distinct()
    )
    entries = [Entry(name, is_dir=False, size_bytes=size) for name, size in files]
    entries += [Entry(name, is_dir=True, size_bytes=None) for name in folders]
    return sorted(entries)


def get_file(place: Place) -> ArtifactFile:
    """Return the file with its stored bytes.

    Raises:
        NotFound: when there is none.
        Invalid: when the path is a folder.
    """
    found = (
        ArtifactFile.objects.select_related("blob")
        .filter(project_id=place.project_id, path=place.path)
        .first()
    )
    if found is not None:
        return found
    if place.path and files_below(place.project_id, place.path).exists():
        raise Invalid(f"“{name_of(place.path)}” is a folder; ask for one file.")
    raise NotFound(NO_SUCH_FILE)


def used_bytes(project_id: int, folder: str = "") -> int:
    """Return how many bytes the files of the folder have together."""
    total = files_below(project_id, folder).aggregate(total=Sum("size_bytes"))["total"]
    return total or 0


def room_bytes(project_id: int) -> int | None:
    """Return how many bytes the project's quota still has room for; None without a quota."""
    if not settings.PROJECT_QUOTA_BYTES:
        return None
    return max(0, settings.PROJECT_QUOTA_BYTES - used_bytes(project_id))


def room_for(place: Place) -> int | None:
    """Return how many bytes a file at this place may have by the quota; it may replace another."""
    room = room_bytes(place.project_id)
    if room is None:
        return None
    replaced = (
        ArtifactFile.objects.filter(project_id=place.project_id, path=place.path)
        .values_list("size_bytes", flat=True)
        .first()
    )
    return room + (replaced or 0)
