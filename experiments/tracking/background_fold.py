"""Folding between groups of writes, so that followers hear soon and reads find little to fold."""

import logging
import time
from typing import Final

from django.db import connection

from experiments.tracking.folding import fold_dirty

logger = logging.getLogger("assay.tracking")

EVERY_S: Final = 0.25
# Writes come first: folding gets a fifth of the writer's time at most.
REST_PER_FOLD: Final = 4.0
AFTER_FAILURE_S: Final = 2.0
MAX_RUNS: Final = 500


class BackgroundFold:
    """Decides when the writer's thread folds; keeps Django's connection of that thread in order."""

    def __init__(self) -> None:
        # A process that crashed may have left something.
        self._has_work = True
        self._due_at_s = time.monotonic()

    def note_writes(self) -> None:
        """Remember that there is something to fold."""
        self._has_work = True

    def due_in_s(self) -> float | None:
        """Return how long the thread may wait for writes, None for ever."""
        return max(0.0, self._due_at_s - time.monotonic()) if self._has_work else None

    def fold_if_due(self) -> None:
        """Fold what is dirty, unless it is too early."""
        began_s = time.monotonic()
        if not self._has_work or began_s < self._due_at_s:
            return
        try:
            self._has_work = fold_dirty(limit=MAX_RUNS) == MAX_RUNS
        except Exception:
            logger.exception("a fold failed")
            self.close()
            self._due_at_s = time.monotonic() + AFTER_FAILURE_S
        else:
            ended_s = time.monotonic()
            self._due_at_s = ended_s + max(EVERY_S, REST_PER_FOLD * (ended_s - began_s))

    def close(self) -> None:
        """Close Django's connection of this thread."""
        connection.close()
