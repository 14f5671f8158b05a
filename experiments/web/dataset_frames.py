"""The frame around every page of a dataset: tabs, versions, what this person may do."""

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from experiments.access import get_version
from experiments.events.datasets import dataset_topic
from experiments.models import Dataset, DatasetVersion
from experiments.selectors.datasets import versions_of
from platform_site.accounts.access import ROLES_FOR, role_in
from platform_site.events.snapshots import place

TABS: Final[tuple[tuple[str, Any], ...]] = (
    ("dataset-version", _("Overview")),
    ("dataset-columns", _("Columns")),
    ("dataset-rows", _("Rows")),
    ("dataset-relations", _("Relations")),
    ("dataset-target", _("Target")),
    ("dataset-reading", _("File")),
)
SHOWN_VERSIONS: Final = 20


@dataclass(frozen=True)
class Tab:
    """An entry of the tabs."""

    url: str
    label: str | Promise
    is_current: bool


@dataclass(frozen=True)
class VersionFrame:
    """What all pages of a version share."""

    dataset: Dataset
    version: DatasetVersion
    versions: list[DatasetVersion]
    tabs: list[Tab]
    may_write: bool
    is_newest: bool
    train_url: str
    live: dict[str, Any]


def may_write(request: HttpRequest, project_id: int) -> bool:
    """Whether this person may change things in the project."""
    return role_in(request.user, project_id) in ROLES_FOR["write"]


def live_state(dataset_id: int) -> dict[str, Any]:
    """Return topic and number to follow from; ask before reading the state that is shown."""
    topic = dataset_topic(dataset_id)
    return {**place(topic), "dataset": dataset_id}


def version_frame(request: HttpRequest, dataset_id: int, number: int, *, tab: str) -> VersionFrame:
    """Return the frame of a version's page.

    Raises:
        NotFound: for strangers and unknown numbers.
    """
    live = live_state(dataset_id)
    version = get_version(request.user, dataset_id, number)
    dataset = version.dataset
    versions = versions_of(dataset, before=None, limit=SHOWN_VERSIONS)
    return VersionFrame(
        dataset=dataset,
        version=version,
        versions=versions,
        tabs=[
            Tab(
                url=reverse(f"experiments:{name}", args=[dataset_id, number]),
                label=label,
                is_current=name == tab,
            )
            for name, label in TABS
        ],
        may_write=may_write(request, dataset.project_id),
        is_newest=not versions or versions[0].number == number,
        train_url=train_url(version),
        live={**live, "version": number, "status": version.status},
    )


def train_url(version: DatasetVersion, target: str = "") -> str:
    """Return where a training on this version begins, empty while there is no such page."""
    try:
        url = reverse("experiments:training-new")
    except NoReverseMatch:
        return ""
    wanted = {"dataset": version.dataset_id, "version": version.number}
    return f"{url}?{urlencode({**wanted, 'target': target} if target else wanted)}"
