"""Registered models of an `mlruns` folder, as records."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from experiments.importing.folder_files import FolderFiles
from experiments.importing.records import RegisteredModelRecord, VersionRecord
from experiments.importing.sql_registry import DELETED
from experiments.importing.texts import attempt, text_of, whole
from experiments.importing.yaml_files import read_yaml

META: Final = "meta.yaml"
VERSION_PREFIX: Final = "version-"


class FolderRegistry:
    """Reads the registry's part of the folder."""

    def __init__(self, folder: Path, files: FolderFiles) -> None:
        self.folder = folder
        self.files = files
        self.left_out = files.left_out

    def meta(self, folder: Path) -> dict[str, Any]:
        """Return what the folder's file of metadata says.

        Raises:
            Unreadable: when it cannot be read or lies outside.
        """
        return read_yaml(self.files.roots.inside(folder / META))

    def registered_models(self) -> Iterator[RegisteredModelRecord]:
        """Yield the registered models, prompts too."""
        for path in self.files.folders(self.folder / "models"):
            where = f"registered model {path.name[:60]}"
            yield from attempt(self.left_out, where, self._registered, path)

    def close(self) -> None:
        """Nothing is held open."""

    def _registered(self, path: Path) -> RegisteredModelRecord:
        meta = self.meta(path)
        where = f"registered model {path.name[:60]}"
        record = RegisteredModelRecord(
            name=text_of(meta.get("name"), at_most=256, what="its name"),
            description=text_of(meta.get("description"), at_most=10_000, what="its description"),
            created_ms=whole(meta.get("creation_timestamp") or 0, "its time"),
            updated_ms=whole(meta.get("last_updated_timestamp") or 0, "its time"),
            tags=self.files.pairs(path / "tags", f"tag of {where}"),
        )
        for alias, number in self.files.pairs(path / "aliases", f"alias of {where}").items():
            for version in attempt(self.left_out, where, whole, number.strip(), "an alias"):
                record.aliases[alias] = version
        for folder in self.files.folders(path):
            if folder.name.startswith(VERSION_PREFIX):
                self._add_version(record, folder, where)
        record.versions.sort(key=lambda version: version.number)
        return record

    def _add_version(self, record: RegisteredModelRecord, folder: Path, where: str) -> None:
        for meta in attempt(self.left_out, f"{where}, {folder.name}", self.meta, folder):
            tags = self.files.pairs(folder / "tags", f"tag of {where}, {folder.name}")
            for version in attempt(self.left_out, f"{where}, {folder.name}", _version, meta, tags):
                record.last_number = max(record.last_number, version.number)
                if version.stage != DELETED:
                    record.versions.append(version)


def _version(meta: dict[str, Any], tags: dict[str, str]) -> VersionRecord:
    def text(key: str, at_most: int) -> str:
        return text_of(meta.get(key), at_most=at_most, what=f"its {key}")

    return VersionRecord(
        number=whole(meta.get("version"), "its number"),
        description=text("description", 100_000),
        stage=text("current_stage", 20) or "None",
        source=text("source", 2048),
        storage_location=text("storage_location", 2048),
        run_text=text("run_id", 256),
        run_link=text("run_link", 2048),
        created_ms=whole(meta.get("creation_timestamp") or 0, "its time"),
        updated_ms=whole(meta.get("last_updated_timestamp") or 0, "its time"),
        tags=tags,
    )
