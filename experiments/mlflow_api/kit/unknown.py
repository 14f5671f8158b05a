"""Calls that no route answers, gathered in memory and written rarely."""

import re
import threading
import time
from collections.abc import Callable
from typing import Final

from experiments.mlflow_api.kit.call import Call
from experiments.mlflow_api.kit.routes import tidy
from experiments.services.unknown_calls import record_unknown_calls

WRITE_EVERY_S: Final = 10.0
MAX_HELD: Final = 200
# Ids in a path would make each call a new one.
_IDS: Final = re.compile(r"(?<=/)(?:[a-z]{1,3}-)?[0-9a-f]{16,64}(?=/|$)|(?<=/)\d+(?=/|$)")

Counts = dict[tuple[str, str], tuple[int, str]]


class UnknownCalls:
    """Counts calls and hands the counts to the database at most every ten seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._held: Counts = {}
        self._written_at_s = -WRITE_EVERY_S

    def note(self, call: Call) -> None:
        """Count a call of somebody who is signed in; writes now and then, through the ORM."""
        due = self._count(call)
        if due:
            record_unknown_calls(due)

    def _count(self, call: Call) -> Counts:
        name = (call.method, _IDS.sub("{id}", tidy(call.path).replace("\x00", ""))[:200])
        client = call.headers.get("user-agent", "").replace("\x00", "")[:100]
        with self._lock:
            if name in self._held or len(self._held) < MAX_HELD:
                self._held[name] = (self._held.get(name, (0, ""))[0] + 1, client)
            moment_s = self._clock()
            if moment_s - self._written_at_s < WRITE_EVERY_S:
                return {}
            self._written_at_s = moment_s
            due, self._held = self._held, {}
            return due


unknown_calls: Final = UnknownCalls()
