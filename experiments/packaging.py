"""How a trained model becomes a file: the app that serves models registers its packager here.

Training must not import serving, which lies above; the task resolves the dotted name in its child.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

_functions: dict[str, str] = {}


def register(*, package: str, card: str, beside: str) -> None:
    """Register the dotted names ``module:function`` of three functions.

    Args:
        package: writes the model file.
        card: writes the model card.
        beside: writes what clients need beside the model file.
    """
    _functions.update(package=package, card=card, beside=beside)


def packager() -> Callable[..., dict[str, Any]]:
    """Return the function that writes a run's model file and returns its manifest."""
    return _resolve("package")


def card_writer() -> Callable[..., str]:
    """Return the function that writes a model card in Markdown."""
    return _resolve("card")


def files_beside() -> Callable[..., dict[str, str]]:
    """Return the function that gives the texts, by file name, that lie beside a model file."""
    return _resolve("beside")


def _resolve(role: str) -> Callable[..., Any]:
    module, _, function = _functions[role].partition(":")
    found: Callable[..., Any] = getattr(import_module(module), function)
    return found
