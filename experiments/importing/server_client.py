"""Calls of a running MLflow server: one host, no redirects, bounded answers."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, Final, cast
from urllib.parse import urlsplit, urlunsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from experiments.importing.records import Unreadable

API: Final = "/api/2.0/mlflow/"
TIMEOUT_S: Final = (10, 300)
ANSWER_BYTES: Final = 256 * 1024 * 1024
TOKEN_VARIABLE: Final = "MLFLOW_TRACKING_TOKEN"  # noqa: S105  # a name
NOT_FOUND: Final = 404


class Server:
    """One server and how we are let in: user and password in its address, or a token.

    Args:
        url: the address that a client would be given.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        host = parts.hostname or ""
        place = f"{host}:{parts.port}" if parts.port else host
        self.base = urlunsplit((parts.scheme, place, parts.path.rstrip("/"), "", ""))
        self.session = requests.Session()
        self.session.trust_env = False
        retry = Retry(total=5, backoff_factor=0.5, status_forcelist=[429, 502, 503, 504])
        for scheme in ("http://", "https://"):
            self.session.mount(scheme, HTTPAdapter(max_retries=retry))
        if parts.username:
            self.session.auth = (parts.username, parts.password or "")
        elif token := os.environ.get(TOKEN_VARIABLE):
            self.session.headers["Authorization"] = f"Bearer {token}"

    def get(self, path: str, /, **params: object) -> dict[str, Any]:
        """Return the answer of a GET.

        Raises:
            Unreadable: when the server refuses or answers with anything but JSON.
        """
        return self._json(self._send("GET", API + path, params=params), path)

    def post(self, path: str, /, **body: object) -> dict[str, Any]:
        """Return the answer of a POST.

        Raises:
            Unreadable: when the server refuses or answers with anything but JSON.
        """
        return self._json(self._send("POST", API + path, json=body), path)

    def has(self, path: str, /, **body: object) -> bool:
        """Return whether the server knows a POST at all."""
        with self._send("POST", API + path, json=body) as answer:
            return answer.status_code != NOT_FOUND

    @contextmanager
    def stream(self, path: str, /, **params: object) -> Iterator[BinaryIO]:
        """Yield the bytes of a GET as a file.

        Raises:
            Unreadable: when the server refuses.
        """
        with self._send("GET", path, params=params) as answer:
            self._refuse(answer, path)
            answer.raw.decode_content = True
            yield cast("BinaryIO", answer.raw)

    def close(self) -> None:
        """Close the connections."""
        self.session.close()

    def _send(self, method: str, path: str, **options: Any) -> requests.Response:
        try:
            return self.session.request(
                method, self.base + path, timeout=TIMEOUT_S, allow_redirects=False, stream=True,
                **options,
            )  # fmt: skip
        except requests.RequestException as error:
            raise Unreadable(f"{self.base} does not answer: {type(error).__name__}") from error

    def _json(self, answer: requests.Response, path: str) -> dict[str, Any]:
        with answer:
            self._refuse(answer, path)
            body = answer.raw.read(ANSWER_BYTES + 1, decode_content=True)
        if len(body) > ANSWER_BYTES:
            raise Unreadable(f"{path}: the answer is larger than {ANSWER_BYTES} bytes")
        try:
            found = json.loads(body)
        except (ValueError, RecursionError):
            raise Unreadable(f"{path}: the answer is no JSON") from None
        if not isinstance(found, dict):
            raise Unreadable(f"{path}: the answer is no object")
        return found

    def _refuse(self, answer: requests.Response, path: str) -> None:
        if answer.status_code == requests.codes.ok:
            return
        said = answer.raw.read(300, decode_content=True).decode("utf-8", "replace")
        raise Unreadable(f"{path}: status {answer.status_code}: {said}")
