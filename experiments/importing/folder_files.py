"""Files of an `mlruns` folder: each is looked for inside the folder only, and has a bounded size."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from experiments.importing.records import Unreadable
from experiments.importing.roots import Roots
from experiments.importing.texts import attempt, text_of

VALUE_BYTES: Final = 1_000_000
KEY_LENGTH: Final = 250


class FolderFiles:
    """Reads small files below roots and remembers what it had to leave out."""

    def __init__(self, roots: Roots) -> None:
        self.roots = roots
        self.left_out: list[str] = []

    def folders(self, parent: Path) -> list[Path]:
        """Return the folders inside a folder, by name; links that lead out are left out."""
        if not parent.is_dir():
            return []
        return [
            path
            for path in sorted(parent.iterdir())
            for real in attempt(self.left_out, str(path), self.roots.inside, path)
            if real.is_dir()
        ]

    def pairs(self, folder: Path, what: str) -> dict[str, str]:
        """Return key and value of every file below a folder; a key's slashes are folders."""
        found: dict[str, str] = {}
        for key, path in self.keyed(folder, what):
            for value in attempt(self.left_out, f"{what} {key}", self._value, path):
                found[key] = value
        return found

    def keyed(self, folder: Path, what: str) -> Iterator[tuple[str, Path]]:
        """Yield key and file of everything below a folder."""
        for parent, folders, names in os.walk(folder):
            folders.sort()
            for name in sorted(names):
                path = Path(parent) / name
                raw = path.relative_to(folder).as_posix()
                for real in attempt(self.left_out, f"{what} {raw[:60]}", self.roots.inside, path):
                    for key in attempt(
                        self.left_out, what, text_of, raw, at_most=KEY_LENGTH, what="a key"
                    ):
                        yield key, real

    def _value(self, path: Path) -> str:
        if not path.is_file():
            raise Unreadable("no plain file")
        if path.stat().st_size > VALUE_BYTES:
            raise Unreadable(f"larger than {VALUE_BYTES} bytes")
        with path.open(encoding="utf-8", errors="strict", newline="") as file:
            try:
                return text_of(file.read(), at_most=VALUE_BYTES, what="its value")
            except UnicodeDecodeError:
                raise Unreadable("no valid text") from None
