"""Typed readers of environment variables that refuse nonsense; NAME_FILE is read for secrets."""

import os
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

TRUE_WORDS = frozenset({"1", "true", "yes", "on"})
FALSE_WORDS = frozenset({"0", "false", "no", "off"})
KNOWN_NAMES: set[str] = set()


def _raw(name: str) -> str | None:
    KNOWN_NAMES.add(name)
    value = os.environ.get(name)
    return value.strip() if value is not None and value.strip() else None


def env_text(name: str, default: str = "") -> str:
    """Return a text setting."""
    return _raw(name) or default


def env_flag(name: str, *, default: bool) -> bool:
    """Return a yes/no setting.

    Raises:
        ImproperlyConfigured: for any other word.
    """
    value = _raw(name)
    if value is None:
        return default
    if value.lower() in TRUE_WORDS:
        return True
    if value.lower() in FALSE_WORDS:
        return False
    raise ImproperlyConfigured(f"{name}={value!r}: say yes or no")


def env_int(name: str, default: int, *, low: int, high: int) -> int:
    """Return a whole-number setting within [low, high].

    Raises:
        ImproperlyConfigured: when it is not one.
    """
    value = _raw(name)
    if value is None:
        return default
    try:
        number = int(value)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}={value!r}: not a whole number") from error
    if not low <= number <= high:
        raise ImproperlyConfigured(f"{name}={number}: must be between {low} and {high}")
    return number


def env_list(name: str, default: list[str]) -> list[str]:
    """Return a comma-separated setting."""
    value = _raw(name)
    return default if value is None else [part.strip() for part in value.split(",") if part.strip()]


def env_choice(name: str, default: str, choices: frozenset[str]) -> str:
    """Return one of the allowed words.

    Raises:
        ImproperlyConfigured: for any other word.
    """
    value = _raw(name) or default
    if value not in choices:
        raise ImproperlyConfigured(f"{name}={value!r}: choose from {', '.join(sorted(choices))}")
    return value


def env_secret(name: str) -> str | None:
    """Return a secret from NAME, or from the file that NAME_FILE points to.

    Raises:
        ImproperlyConfigured: when the file cannot be read or is empty.
    """
    direct = _raw(name)
    if direct is not None:
        return direct
    path = _raw(f"{name}_FILE")
    if path is None:
        return None
    try:
        text = Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ImproperlyConfigured(f"{name}_FILE={path!r}: {error.strerror}") from error
    if not text:
        raise ImproperlyConfigured(f"{name}_FILE={path!r}: the file is empty")
    return text
