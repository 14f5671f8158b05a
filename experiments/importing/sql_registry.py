"""Registered models of an MLflow database, as records."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any, Final

from experiments.importing.records import RegisteredModelRecord, VersionRecord
from experiments.importing.sql_tables import Row, Tables
from experiments.importing.texts import attempt, text_of, whole

DELETED: Final = "Deleted_Internal"
MODEL_COLUMNS: Final = ("name", "description", "creation_time", "last_updated_time")
VERSION_COLUMNS: Final = (
    "name", "version", "description", "current_stage", "source", "storage_location", "run_id",
    "run_link", "creation_time", "last_updated_time",
)  # fmt: skip


class SqlRegistry:
    """Reads the registry's tables.

    Args:
        tables: the open database.
        workspace: which of the source's workspaces is read, if it has several.
    """

    def __init__(self, tables: Tables, workspace: str) -> None:
        self.tables = tables
        self.workspace = workspace
        self.left_out: list[str] = []

    def registered_models(self) -> Iterator[RegisteredModelRecord]:
        """Yield the registered models, prompts too."""
        versions: dict[str, list[Row]] = defaultdict(list)
        for row in self._all("model_versions", VERSION_COLUMNS, ["name", "version"]):
            versions[row[0]].append(row)
        labels = self._labels()
        for row in self._all("registered_models", MODEL_COLUMNS, ["name"]):
            where = f"registered model {str(row[0])[:60]}"
            yield from attempt(self.left_out, where, _registered, row, versions[row[0]], labels)

    def close(self) -> None:
        """Let go of the connection."""
        self.tables.close()

    def _labels(self) -> _Labels:
        labels = _Labels()
        for name, key, value in self._all("registered_model_tags", ("name", "key", "value")):
            labels.of_models[name].append((key, value))
        for name, version, key, value in self._all(
            "model_version_tags", ("name", "version", "key", "value")
        ):
            labels.of_versions[name, version].append((key, value))
        for name, alias, version in self._all(
            "registered_model_aliases", ("name", "alias", "version")
        ):
            labels.aliases[name].append((alias, version))
        return labels

    def _all(
        self, table: str, columns: tuple[str, ...], order: list[str] | None = None
    ) -> list[Row]:
        where: dict[str, object] = {"workspace": self.workspace}
        return list(self.tables.rows(table, columns, where=where, order=order or columns[:2]))


class _Labels:
    """Tags and aliases by their owner."""

    def __init__(self) -> None:
        self.of_models: dict[str, list[tuple[Any, Any]]] = defaultdict(list)
        self.of_versions: dict[tuple[str, int], list[tuple[Any, Any]]] = defaultdict(list)
        self.aliases: dict[str, list[tuple[Any, Any]]] = defaultdict(list)


def tags_of(pairs: list[tuple[Any, Any]]) -> dict[str, str]:
    """Return tags as text.

    Raises:
        Unreadable: when one does not fit.
    """
    return {
        text_of(key, at_most=250, what="a key"): text_of(value, at_most=100_000, what=f"tag {key}")
        for key, value in pairs
    }


def _registered(row: Row, versions: list[Row], labels: _Labels) -> RegisteredModelRecord:
    name, description, created, updated = row
    return RegisteredModelRecord(
        name=text_of(name, at_most=256, what="its name"),
        description=text_of(description, at_most=10_000, what="its description"),
        created_ms=whole(created or 0, "its time"),
        updated_ms=whole(updated or created or 0, "its time"),
        last_number=max((whole(version[1], "a version") for version in versions), default=0),
        tags=tags_of(labels.of_models[name]),
        aliases={
            text_of(alias, at_most=255, what="an alias"): whole(number, "an alias")
            for alias, number in labels.aliases[name]
        },
        versions=[_version(version, labels) for version in versions if version[3] != DELETED],
    )


def _version(row: Row, labels: _Labels) -> VersionRecord:
    name, number, description, stage, source, location, run, link, created, updated = row
    return VersionRecord(
        number=whole(number, "its number"),
        description=text_of(description, at_most=100_000, what="a version's description"),
        stage=text_of(stage or "None", at_most=20, what="a version's stage"),
        source=text_of(source, at_most=2048, what="a version's source"),
        storage_location=text_of(location, at_most=2048, what="a version's location"),
        run_text=text_of(run, at_most=256, what="a version's run"),
        run_link=text_of(link, at_most=2048, what="a version's link"),
        created_ms=whole(created or 0, "a version's time"),
        updated_ms=whole(updated or created or 0, "a version's time"),
        tags=tags_of(labels.of_versions[name, number]),
    )
