"""Labels that clients give: which keys and values can be kept, and how they are written."""

import posixpath
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from django.db.models import Model

from platform_site.core.errors import Invalid
from platform_site.core.texts import storable

MAX_KEY_CHARS: Final = 250
MAX_VALUE_CHARS: Final = 100_000
KEY = re.compile(r"[/\w.\- :]+")


def checked_key(key: str, *, field: str = "key") -> str:
    """Return the key as it is.

    Raises:
        Invalid: when it is empty, too long, no clean relative path or holds other characters than
            letters, digits, underscores, dashes, dots, spaces, colons and slashes.
    """
    storable(key, field=field, max_chars=MAX_KEY_CHARS)
    if not KEY.fullmatch(key):
        raise Invalid(
            f"Invalid value for '{field}': {key!r}. Letters, digits, underscores (_), dashes (-),"
            " periods (.), spaces, colons (:) and slashes (/) are allowed.",
            field=field,
        )
    if posixpath.normpath(key) != key or key.startswith(("/", "../")) or key in {".", ".."}:
        raise Invalid(f"Invalid value for '{field}': {key!r} is no clean path.", field=field)
    return key


def checked_labels(
    pairs: Iterable[tuple[str, str]], *, max_value_chars: int = MAX_VALUE_CHARS
) -> dict[str, str]:
    """Return the labels, the last value of a repeated key.

    Raises:
        Invalid: for a key or value that cannot be kept.
    """
    return {
        checked_key(key): storable(value, field="value", max_chars=max_value_chars)
        for key, value in pairs
    }


def write_labels(table: type[Model], owner: Mapping[str, Any], labels: Mapping[str, str]) -> None:
    """Insert or replace labels of one owner in one statement, inside the caller's transaction."""
    table._default_manager.bulk_create(
        (table(**owner, key=key, value=value) for key, value in labels.items()),
        update_conflicts=True,
        unique_fields=[*owner, "key"],
        update_fields=["value"],
    )
