"""Sending an artifact: named headers, one range, an ETag, always as a harmless attachment."""

import mimetypes
import re
import unicodedata
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from assets.storage import blob_path
from experiments.artifact_paths import name_of
from experiments.mlflow_api.kit.answers import Answer, FileAnswer
from experiments.models import ArtifactFile
from platform_site.core.errors import NotFound

TEXT_NAMES: Final = frozenset(
    "txt log err cfg conf cnf cf ini properties prop hocon toml yaml yml xml json js py py3 csv"
    " tsv md rst ipynb MLmodel MLproject".split()
)
TOKEN: Final = re.compile(r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")
SAFE_IN_EXTENDED: Final = "!#$&+-.^_`|~"
RANGE: Final = re.compile(r"^bytes=(\d{0,18})-(\d{0,18})$")
HARMLESS: Final = "sandbox; default-src 'none'"


def file_answer(file: ArtifactFile, headers: Mapping[str, str]) -> Answer | FileAnswer:
    """Return the file, a piece of it, or that the client has it already.

    Args:
        file: with its `blob`.
        headers: of the request, names in lower case.

    Raises:
        NotFound: when its bytes are not in the store.
    """
    name = name_of(file.path)
    path = blob_path(file.blob.sha256)
    if not path.is_file():
        raise NotFound("The file's bytes are missing from the store.")
    etag = f'"{file.blob.sha256}"'
    answer = {
        "content-type": content_type(name),
        "content-disposition": disposition(name),
        "content-security-policy": HARMLESS,
        "x-content-type-options": "nosniff",
        "cache-control": "private, no-cache",
        "accept-ranges": "bytes",
        "etag": etag,
    }
    if etag in _tags(headers.get("if-none-match", "")):
        return Answer(304, b"", answer)
    wanted = headers.get("range", "")
    if not wanted or headers.get("if-range", etag).strip() != etag:
        return FileAnswer(path, file.size_bytes, answer)
    return _piece(FileAnswer(path, file.size_bytes, answer), wanted)


def _piece(whole: FileAnswer, wanted: str) -> Answer | FileAnswer:
    """Return the one range; what is no single range of bytes is ignored, as the standard says."""
    match = RANGE.match(wanted.strip())
    if match is None or not (match[1] or match[2]):
        return whole
    size = whole.size_bytes
    if match[1]:
        first = int(match[1])
        last = min(int(match[2]), size - 1) if match[2] else size - 1
        if match[2] and int(match[2]) < first:
            return whole
    else:
        first, last = max(0, size - int(match[2])), size - 1
    if first > last:
        whole.headers["content-range"] = f"bytes */{size}"
        return Answer(416, b"", whole.headers)
    whole.headers["content-range"] = f"bytes {first}-{last}/{size}"
    return FileAnswer(
        whole.path, size, whole.headers, status=206, ranges=[(first, last - first + 1)]
    )


def content_type(name: str) -> str:
    """Return the type by the file's name, never by its content."""
    ending = name.rpartition(".")[2]
    if ending in TEXT_NAMES:
        return "text/plain"
    return mimetypes.guess_type(name)[0] or "application/octet-stream"


def disposition(name: str) -> str:
    """Return the header that makes a browser save the file under its name."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    if TOKEN.match(plain):
        text = plain
    else:
        escaped = plain.replace("\\", "\\\\").replace('"', '\\"')
        text = f'"{escaped}"'
    header = f"attachment; filename={text}"
    if plain != name:
        header += f"; filename*=UTF-8''{quote(name, safe=SAFE_IN_EXTENDED)}"
    return header


def _tags(header: str) -> list[str]:
    return [one.strip().removeprefix("W/") for one in header.split(",")]
