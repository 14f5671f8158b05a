"""Where an import goes, and what it may do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from experiments.models.runs import moment_of
from platform_site.accounts.models import Project, User
from platform_site.core.clock import now


@dataclass(frozen=True, slots=True)
class Target:
    """The project that takes everything, and the person in whose name it is written.

    Args:
        project: takes everything.
        by: whose name rows carry that need one.
        may_write: False compares only.
        tell: called with a few words as work goes on.
    """

    project: Project
    by: User
    may_write: bool
    tell: Callable[[str], None]


def moment(since_epoch_ms: int | None) -> datetime:
    """Return the moment, or now when no calendar has it."""
    return moment_of(since_epoch_ms) or now()
