"""What a process does before it leaves; our own, since forked processes skip Python's exit hooks."""

import logging
from collections.abc import Callable

logger = logging.getLogger("assay.processes")

_functions: list[Callable[[], object]] = []


def on_leave(function: Callable[[], object]) -> None:
    """Have the function called when this process, or one forked from it, leaves in order."""
    if function not in _functions:
        _functions.append(function)


def leave() -> None:
    """Call what was registered, the last one first; one that fails does not stop the others."""
    for function in reversed(_functions):
        try:
            function()
        except Exception:
            logger.exception("leaving: %r failed", function)
