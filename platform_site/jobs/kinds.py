"""Kinds of jobs: which task does the work, who hears of every change of state."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any


@dataclass(frozen=True)
class JobKind:
    """Dotted names ``module:function``, so that registering imports nothing heavy.

    `task(context)` works in the child process. `on_change(job)` runs inside the transaction of
    every change that is not an end, `on_end(job, status=…)` inside the one that ends the job,
    `on_beat(job)` inside the supervisor's heartbeat.
    """

    name: str
    task: str
    on_change: str = ""
    on_end: str = ""
    on_beat: str = ""


_kinds: dict[str, JobKind] = {}
_preload: set[str] = set()
_listeners: dict[str, list[str]] = {}


def register(
    name: str,
    task: str,
    *,
    on_change: str = "",
    on_end: str = "",
    on_beat: str = "",
    preload: tuple[str, ...] = (),
) -> None:
    """Register a kind at start-up; `preload` names modules that a warm child imports ahead."""
    _kinds[name] = JobKind(name, task, on_change, on_end, on_beat)
    _preload.update(preload)


def listen_to_end(name: str, on_end: str) -> None:
    """Let a higher app take part in the end of a kind: ``on_end(job, status=…)``, same transaction."""
    listeners = _listeners.setdefault(name, [])
    if on_end not in listeners:
        listeners.append(on_end)


def end_functions(name: str) -> list[str]:
    """Return what runs when a job of the kind ends: its own function first, then listeners."""
    own = get(name).on_end
    return [*([own] if own else []), *_listeners.get(name, [])]


def get(name: str) -> JobKind:
    """Return the kind.

    Raises:
        KeyError: for a name that no app registered.
    """
    return _kinds[name]


def preload_modules() -> list[str]:
    """Return what a warm child should import."""
    return sorted(_preload)


def resolve(dotted: str) -> Callable[..., Any]:
    """Return the function that ``module:function`` names."""
    module, _, function = dotted.partition(":")
    found: Callable[..., Any] = getattr(import_module(module), function)
    return found
