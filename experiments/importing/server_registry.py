"""Registered models of a running MLflow server, as records."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any, Final

from experiments.importing import server_records
from experiments.importing.records import RegisteredModelRecord, Unreadable, VersionRecord
from experiments.importing.server_client import Server
from experiments.importing.texts import attempt, shown

MODELS_PAGE: Final = 100
VERSIONS_PAGE: Final = 1000
PROMPTS: Final = "tags.`mlflow.prompt.is_prompt` = 'true'"


class ServerRegistry:
    """Reads the registry of a server.

    Args:
        server: the server.
    """

    def __init__(self, server: Server) -> None:
        self.server = server
        self.left_out: list[str] = []

    def pages(
        self, method: str, path: str, what: str, /, **fields: object
    ) -> Iterator[dict[str, Any]]:
        """Yield the objects of all pages.

        Raises:
            Unreadable: when the server refuses, or gives the same page again and again.
        """
        call = self.server.post if method == "POST" else self.server.get
        tokens: set[str] = set()
        more: dict[str, str] = {}
        while True:
            answer = call(path, **fields, **more)
            yield from (found for found in answer.get(what) or [] if isinstance(found, dict))
            token = str(answer.get("next_page_token") or "")
            if not token:
                return
            if token in tokens:
                raise Unreadable(f"{path}: the same page comes again")
            tokens.add(token)
            more = {"page_token": token}

    def registered_models(self) -> Iterator[RegisteredModelRecord]:
        """Yield the registered models, prompts too."""
        seen: set[str] = set()
        for chosen in ({}, {"filter": PROMPTS}):
            versions = self._versions(chosen)
            for found in self.pages(
                "GET", "registered-models/search", "registered_models", max_results=MODELS_PAGE,
                **chosen,
            ):  # fmt: skip
                name = str(found.get("name"))
                if name in seen:
                    continue
                seen.add(name)
                where = f"registered model {shown(name)}"
                yield from attempt(
                    self.left_out, where, server_records.registered_model, found, versions[name]
                )

    def close(self) -> None:
        """Close the connections."""
        self.server.close()

    def _versions(self, chosen: dict[str, str]) -> dict[str, list[VersionRecord]]:
        versions: dict[str, list[VersionRecord]] = defaultdict(list)
        for found in self.pages(
            "GET", "model-versions/search", "model_versions", max_results=VERSIONS_PAGE, **chosen
        ):
            where = f"version {shown(found.get('version'))} of {shown(found.get('name'))}"
            versions[str(found.get("name"))] += attempt(self.left_out, where, self._version, found)
        return versions

    def _version(self, found: dict[str, Any]) -> VersionRecord:
        where = {"name": found.get("name"), "version": found.get("version")}
        location = self.server.get("model-versions/get-download-uri", **where)
        return server_records.version(found, location)
