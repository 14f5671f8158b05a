"""What can be fetched without a file: scikit-learn's bundled sets, tables of the NASA archive."""

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from experiments.data.bundled import bundled_datasets
from experiments.data.nasa import TABLES
from experiments.models import Dataset
from platform_site.core.errors import Invalid


@dataclass(frozen=True)
class SourceEntry:
    """A table that a source offers."""

    source: str
    source_title: str | Promise
    key: str
    title: str
    description: str
    facts: tuple[str, ...]


def list_sources() -> list[SourceEntry]:
    """Return everything that can be fetched, the archive first."""
    archive = [
        SourceEntry(
            source=Dataset.Source.NASA,
            source_title=_("NASA Exoplanet Archive"),
            key=table.name,
            title=table.title,
            description=table.description,
            facts=(f"target {table.target}",),
        )
        for table in TABLES.values()
    ]
    bundled = [
        SourceEntry(
            source=Dataset.Source.BUNDLED,
            source_title=_("Bundled with scikit-learn"),
            key=one["name"],
            title=one["title"],
            description=one["description"],
            facts=(
                one["task"],
                f"{one['n_rows']:,} × {one['n_columns']}",
                f"target {one['target']}",
            ),
        )
        for one in bundled_datasets()
    ]
    return archive + bundled


def find_source(source: str, key: str) -> SourceEntry:
    """Return the entry.

    Raises:
        Invalid: when the source has nothing under the key.
    """
    for entry in list_sources():
        if (entry.source, entry.key) == (source, key):
            return entry
    known = ", ".join(one.key for one in list_sources() if one.source == source)
    raise Invalid(f"The source has no table “{key[:60]}”. It has: {known}.", field="key")
