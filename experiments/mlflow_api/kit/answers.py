"""What an endpoint gives back: bytes, JSON, or a file."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from experiments.mlflow_api.kit.errors import error_code_of, status_of
from platform_site.core.errors import DomainError

JSON_TYPE: Final = "application/json"
JSON_HEADERS: Final = {"content-type": JSON_TYPE}
_encode = msgspec.json.Encoder().encode


@dataclass(slots=True)
class Answer:
    """A whole answer; names of headers in lower case."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=lambda: dict(JSON_HEADERS))


@dataclass(slots=True)
class FileAnswer:
    """A file to send piece by piece.

    `ranges` are pieces as (first byte, length); None sends the whole file.
    """

    path: Path
    size_bytes: int
    headers: dict[str, str]
    status: int = 200
    ranges: list[tuple[int, int]] | None = None

    @property
    def length_bytes(self) -> int:
        """Return how many bytes the body has."""
        if self.ranges is None:
            return self.size_bytes
        return sum(length for _, length in self.ranges)


def ok(content: Any = None) -> Answer:
    """Return the content (``{}`` for None) as JSON with status 200."""
    return Answer(body=b"{}" if content is None else _encode(content))


def plain(text: str, *, status: int = 200) -> Answer:
    """Return a text."""
    return Answer(status, text.encode(), {"content-type": "text/plain; charset=utf-8"})


def refusal(error: DomainError) -> Answer:
    """Return an error of the domain as clients of the protocol read it."""
    body = _encode({"error_code": error_code_of(error), "message": error.message})
    answer = Answer(status_of(error), body)
    if answer.status == 401:
        answer.headers["www-authenticate"] = 'Basic realm="mlflow"'
    if "allow" in error.details:
        answer.headers["allow"] = error.details["allow"]
    if answer.status in {429, 503}:
        answer.headers["retry-after"] = str(error.details.get("retry_after_s", 2))
    return answer
