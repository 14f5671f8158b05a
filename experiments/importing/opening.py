"""Which reader a source needs, judged by how it is written."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

from experiments.importing.folder_source import FolderSource
from experiments.importing.records import Source, Unreadable
from experiments.importing.roots import Roots
from experiments.importing.server_client import Server
from experiments.importing.server_source import ServerSource
from experiments.importing.sql_source import SqlSource
from experiments.importing.sql_tables import DRIVERS, Tables


def open_source(text: str, *, artifact_folders: list[Path], workspace: str) -> Source:
    """Return a reader of a database's address, an `mlruns` folder or a server's address.

    Args:
        text: the source as a person wrote it.
        artifact_folders: more folders from which files may be read; the first one is what
            `mlflow-artifacts:` locations mean.
        workspace: which workspace of a database is read.

    Raises:
        Unreadable: when it is none of the three, or cannot be opened.
    """
    for folder in artifact_folders:
        if not folder.is_dir():
            raise Unreadable(f"no such folder: {folder}")
    proxied = artifact_folders[0] if artifact_folders else None
    scheme = text.partition(":")[0].lower() if "://" in text or text.startswith("file:") else ""
    if scheme in {"http", "https"}:
        return ServerSource(Server(text))
    if scheme.partition("+")[0] in DRIVERS:
        own = _beside(text) if scheme.startswith("sqlite") else []
        served = next((folder for folder in own if folder.name == "mlartifacts"), None)
        roots = Roots([*own, *artifact_folders], proxied or served)
        return SqlSource(Tables(text), roots, workspace)
    folder = Path(unquote(text.partition(":")[2].removeprefix("//")) if scheme == "file" else text)
    if scheme not in {"", "file"} or not folder.is_dir():
        raise Unreadable(f"no folder, no address of a database or a server: {text}")
    return FolderSource(folder, Roots([folder, *artifact_folders], proxied))


def _beside(url: str) -> list[Path]:
    """Return the folders that MLflow makes beside its database file."""
    home = Path(unquote(url.partition(":")[2].removeprefix("///").partition("?")[0])).parent
    found = (home / name for name in ("mlruns", "mlartifacts"))
    return [folder for folder in found if folder.is_dir()]
