"""The small YAML files of an `mlruns` folder: plain data, no tags, no aliases, bounded."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import yaml

from experiments.importing.records import Unreadable

META_BYTES: Final = 20 * 1024 * 1024  # a dataset's profile may have 16 MB
DEEPEST: Final = 20


class _PlainLoader(yaml.SafeLoader):
    """Knows plain data only; an alias could make a small file enormous, so there are none."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Compose one node."""
        if self.check_event(yaml.events.AliasEvent):
            raise Unreadable("holds an alias")
        self.depth += 1
        if self.depth > DEEPEST:
            raise Unreadable("is nested too deeply")
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping in a file.

    Raises:
        Unreadable: when it is missing, too large, or anything but a plain mapping.
    """
    try:
        found = _parse(path)
    except Unreadable as problem:
        raise Unreadable(f"{path.name} {problem}") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValueError, RecursionError) as error:
        kind = type(error).__name__
        raise Unreadable(f"{path.name} cannot be read ({kind})") from error
    if not isinstance(found, dict):
        raise Unreadable(f"{path.name} holds no mapping")
    return {str(key): value for key, value in found.items()}


def _parse(path: Path) -> Any:
    if path.stat().st_size > META_BYTES:
        raise Unreadable(f"is larger than {META_BYTES} bytes")
    return yaml.load(path.read_text(encoding="utf-8"), Loader=_PlainLoader)  # noqa: S506  # a safe loader, narrowed
