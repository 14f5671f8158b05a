"""Checks and conversions of the fields that many requests share."""

import posixpath
import re
from typing import Any, Final

from experiments.mlflow_api.kit.errors import ProtocolError, invalid_value, missing_value
from experiments.mlflow_api.kit.requests import Request
from experiments.mlflow_api.kit.tolerant import json_text
from experiments.tracking.search.statement import View
from platform_site.jobs import states

MAX_KEY_CHARS: Final = 250
MAX_PARAM_CHARS: Final = 6000
MAX_TAG_CHARS: Final = 8000
MAX_REMEMBERED: Final = 20_000
MAX_ID: Final = 2**63 - 1
_NAME: Final = re.compile(r"[/\w.\- :]+")
_RUN_ID: Final = re.compile(r"[A-Za-z0-9][\w\-]{0,255}", re.ASCII)

VIEWS: Final[dict[str | int, View]] = {
    1: "ACTIVE_ONLY",
    2: "DELETED_ONLY",
    3: "ALL",
    "1": "ACTIVE_ONLY",
    "2": "DELETED_ONLY",
    "3": "ALL",
    "ACTIVE_ONLY": "ACTIVE_ONLY",
    "DELETED_ONLY": "DELETED_ONLY",
    "ALL": "ALL",
}
"""Which of active and deleted objects, by name or number; unknown words mean the active ones."""
WIRE_STATUSES: Final = {1: "RUNNING", 2: "SCHEDULED", 3: "FINISHED", 4: "FAILED", 5: "KILLED"}
COLUMN_OF_STATUS: Final = {
    "RUNNING": states.RUNNING,
    "SCHEDULED": states.QUEUED,
    "FINISHED": states.COMPLETED,
    "FAILED": states.FAILED,
    "KILLED": states.STOPPED,
}
STATUS_OF_COLUMN: Final = {
    states.QUEUED: "SCHEDULED",
    states.COMPLETED: "FINISHED",
    states.FAILED: "FAILED",
    states.LOST: "FAILED",
    states.STOPPED: "KILLED",
}
"""All other states are RUNNING."""

_good_names: set[str] = set()


class Label(Request):
    """A param or tag of a request."""

    key: str
    value: str = ""


def are_good_names(names: set[str]) -> bool:
    """Whether all of the names were found good before."""
    return names <= _good_names


def check_name(name: str, path: str) -> None:
    """Refuse a name of a metric, param or tag that could not be a file's.

    Raises:
        ProtocolError: saying why.
    """
    if name in _good_names:
        return
    if not name:
        raise missing_value(path)
    if len(name) > MAX_KEY_CHARS:
        raise invalid_value(path, json_text(name), f"it exceeds {MAX_KEY_CHARS} characters.")
    if not _NAME.fullmatch(name):
        raise invalid_value(
            path,
            json_text(name),
            "Names may only contain alphanumerics, underscores (_), dashes (-), periods (.),"
            " spaces ( ), colons (:) and slashes (/).",
        )
    if (
        posixpath.normpath(name) != name
        or name[0] == "/"
        or name.split("/", maxsplit=1)[0] in {".", ".."}
    ):
        raise invalid_value(path, json_text(name), "Names must be clean relative paths.")
    # Bounded, and never emptied: what was good stays good.
    if len(_good_names) < MAX_REMEMBERED:
        _good_names.add(name)


def check_run_id(run_id: str, path: str = "run_id") -> str:
    """Return the id of a run.

    Raises:
        ProtocolError: when no run could have it.
    """
    if not _RUN_ID.fullmatch(run_id):
        raise invalid_value(path, json_text(run_id))
    return run_id


def experiment_number(text: str, path: str = "experiment_id") -> int:
    """Return the number of an experiment.

    Raises:
        ProtocolError: when it is none.
    """
    digits = text[1:] if text[:1] == "-" else text
    if not (digits.isascii() and digits.isdigit() and len(text) <= 20):
        raise invalid_value(path, json_text(text), "it must be a whole number.")
    return int(text)


def enum_name(value: Any, names: dict[int, str]) -> str | None:
    """Return the name of an enum's value given by name or number; None for what is unknown."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 3:
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return names.get(value)
    return value if value in names.values() else None


def checked_max_results(value: int, most: int, least: int = 1) -> int:
    """Return the number of results that may be asked for.

    Raises:
        ProtocolError: when it is out of bounds.
    """
    if not least <= value <= most:
        raise invalid_value(
            "max_results", str(value), f"it must be at least {least} and at most {most}."
        )
    return value


def pairs_of(labels: list[Label], path: str, max_chars: int) -> list[tuple[str, str]]:
    """Return labels as (key, value), long values cut.

    Raises:
        ProtocolError: for a key that is no clean name.
    """
    for at, label in enumerate(labels):
        if label.key not in _good_names:
            check_name(label.key, f"{path}[{at}].key")
    return [(label.key, label.value[:max_chars]) for label in labels]


def too_many(path: str, limit: int, n_given: int) -> ProtocolError:
    """Return the refusal of a list that is too long."""
    return ProtocolError(
        "INVALID_PARAMETER_VALUE",
        f"A request can contain at most {limit} {path}. Got {n_given}.",
    )
