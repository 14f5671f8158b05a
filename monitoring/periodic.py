"""Small chores of the sampler process: anything that must happen every few seconds."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from django.utils.module_loading import import_string


@dataclass
class Chore:
    """A function without arguments and how often it runs."""

    name: str
    every_s: float
    call: str | Callable[[], object]
    due_s: float = field(default=0.0)

    def function(self) -> Callable[[], object]:
        """Return the function; a dotted path is imported on first use, in the sampler only."""
        if isinstance(self.call, str):
            self.call = import_string(self.call)
        assert not isinstance(self.call, str)  # noqa: S101  # tells the type checker
        return self.call


_chores: dict[str, Chore] = {}


def register(name: str, every_s: float, call: str | Callable[[], object]) -> None:
    """Have the sampler call a function every few seconds (from ``AppConfig.ready``).

    Args:
        name: unique; registering it again replaces the chore.
        every_s: seconds between two calls; each must take far less, there is one thread.
        call: dotted path, or the function itself.
    """
    _chores[name] = Chore(name, every_s, call)


def registered() -> list[Chore]:
    """Return all chores."""
    return list(_chores.values())


def due(chores: list[Chore], now_s: float | None = None) -> list[Chore]:
    """Return the chores whose time has come, and set when they come next."""
    now_s = time.monotonic() if now_s is None else now_s
    ready = [chore for chore in chores if chore.due_s <= now_s]
    for chore in ready:
        chore.due_s = now_s + chore.every_s
    return ready


def wait_s(chores: list[Chore], now_s: float | None = None) -> float:
    """Return the seconds until the next chore."""
    now_s = time.monotonic() if now_s is None else now_s
    return max(0.0, min((chore.due_s for chore in chores), default=now_s + 1.0) - now_s)
