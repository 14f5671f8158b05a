"""Writing below one folder: names come from the database, so each is checked before it is a path."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from assets.storage import open_blob
from platform_site.core.errors import NotFound

META = "meta.yaml"


class Folder:
    """A new folder that takes an export, and what it could not take."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.left_out: list[str] = []
        self.written: dict[str, int] = {}

    def place(self, parent: Path, name: str, what: str) -> Path | None:
        """Return the path of a name below a folder, or None if it would lie elsewhere."""
        parts = name.split("/")
        path = parent.joinpath(*parts)
        if any(part in {"", ".", ".."} for part in parts) or not path.is_relative_to(self.root):
            self.left_out.append(f"{what} {name[:60]!r}: its name is no path")
            return None
        return path

    def text(self, path: Path | None, text: str, what: str) -> None:
        """Write a text file."""
        if path is None:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8", newline="") as file:
                file.write(text)
        except OSError as error:
            # For example a metric “a” beside a metric “a/b”: a file cannot be a folder.
            self.left_out.append(f"{what} {path.name[:60]!r}: {error.strerror}")

    def lines(self, path: Path | None, lines: Iterable[str], what: str) -> None:
        """Write a text file line by line."""
        if path is None:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8", newline="") as file:
                file.writelines(lines)
        except OSError as error:
            self.left_out.append(f"{what} {path.name[:60]!r}: {error.strerror}")

    def meta(self, folder: Path, values: Mapping[str, Any]) -> None:
        """Write the file that describes a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        text = yaml.safe_dump(dict(values), default_flow_style=False, allow_unicode=True)
        self.text(folder / META, text, "description of")

    def pairs(self, folder: Path, pairs: Mapping[str, str], what: str) -> None:
        """Write one file for each key."""
        folder.mkdir(parents=True, exist_ok=True)
        for key, value in pairs.items():
            self.text(self.place(folder, key, what), value, what)

    def blob(self, path: Path | None, sha256: str, what: str) -> None:
        """Copy stored bytes to a file."""
        if path is None:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with open_blob(sha256) as source, path.open("xb") as file:
                shutil.copyfileobj(source, file)
        except (OSError, NotFound) as error:
            self.left_out.append(f"{what} {path.name[:60]!r}: {error}")

    def count(self, kind: str) -> None:
        """Count one thing that was written."""
        self.written[kind] = self.written.get(kind, 0) + 1
