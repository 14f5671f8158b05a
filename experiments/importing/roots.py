"""The folders of a source that may be read: every path is resolved and must stay inside one."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from experiments.importing.records import ArtifactRecord, Unreadable
from experiments.importing.texts import shown


class Roots:
    """Folders that a person named, or that belong to the source by its own layout.

    Args:
        folders: readable folders.
        proxied: folder that `mlflow-artifacts:` locations mean, if there is one.
    """

    def __init__(self, folders: list[Path], proxied: Path | None = None) -> None:
        self.folders = [folder.resolve() for folder in folders]
        self.proxied = proxied.resolve() if proxied else None
        if self.proxied:
            self.folders.append(self.proxied)

    def inside(self, path: Path) -> Path:
        """Return the path with every link resolved.

        Raises:
            Unreadable: when it lies outside all roots.
        """
        try:
            resolved = path.resolve()
        except (OSError, ValueError, RuntimeError):
            raise Unreadable(f"no usable path: {shown(str(path))}") from None
        if not any(resolved.is_relative_to(folder) for folder in self.folders):
            raise Unreadable(f"outside the source's folders: {shown(str(path))}")
        return resolved

    def folder_of(self, uri: str) -> Path:
        """Return the folder that an artifact location means.

        Raises:
            Unreadable: when it is remote or lies outside all roots.
        """
        parts = (
            urlsplit(uri)
            if "://" in uri or uri.startswith(("file:", "mlflow-artifacts:"))
            else None
        )
        if parts is None:
            return self.inside(Path(uri))
        if parts.scheme == "file" and parts.netloc in {"", "localhost"}:
            return self.inside(Path(unquote(parts.path)))
        if parts.scheme == "mlflow-artifacts" and self.proxied:
            return self.inside(self.proxied / unquote(parts.path).lstrip("/"))
        raise Unreadable(f"a location that is not read: {shown(uri)}")

    def files_below(self, folder: Path) -> Iterator[ArtifactRecord]:
        """Yield the plain files below a folder, by path; links are followed inside the roots only.

        Raises:
            Unreadable: for a link that leads out of the roots.
        """
        if not folder.is_dir():
            return
        for parent, folders, names in os.walk(folder):
            folders.sort()
            for link in [name for name in folders if (Path(parent) / name).is_symlink()]:
                raise Unreadable(f"a folder that is a link: {shown(str(Path(parent) / link))}")
            for name in sorted(names):
                path = Path(parent) / name
                real = self.inside(path)
                if not stat.S_ISREG(real.stat().st_mode):
                    raise Unreadable(f"no plain file: {shown(str(path))}")
                yield ArtifactRecord(path.relative_to(folder).as_posix(), _opener(real))


def _opener(path: Path) -> Callable[[], AbstractContextManager[BinaryIO]]:
    return lambda: path.open("rb")
