"""Where a client says that a version's files are: read as text, never opened, never fetched.

The rules hold whatever tags a request carries.
"""

import re
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import unquote, unquote_plus, urlsplit

from platform_site.core.errors import Invalid

MAX_SOURCE_CHARS: Final = 2048
# What clients write where a prompt has no files; taken literally, so that no tag is asked.
PROMPT_PLACEHOLDERS: Final = frozenset({"dummy-source", "prompt-template"})
ARTIFACT_SCHEME: Final = "mlflow-artifacts"
ARTIFACT_ROUTE: Final = ["api", "2.0", "mlflow-artifacts", "artifacts"]
SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*(?=:)")
MODEL_ID: Final = re.compile(r"m-[0-9a-f]{32}")

Kind = Literal["none", "local", "run", "logged", "version", "artifacts", "remote"]


@dataclass(frozen=True)
class Source:
    """A source taken apart.

    `identity` is a run's or logged model's id, or a registered model's name; `rest` the path in the
    run, or number, alias or stage of a version.
    """

    text: str
    kind: Kind
    identity: str = ""
    rest: str = ""


def parse_source(text: str) -> Source:
    """Return the source taken apart.

    Raises:
        Invalid: when it is too long, or climbs out of its place in any encoding.
    """
    if len(text) > MAX_SOURCE_CHARS:
        raise Invalid(
            f"Invalid model version source: it has more than {MAX_SOURCE_CHARS} characters.",
            field="source",
        )
    if text in PROMPT_PLACEHOLDERS:
        return Source(text, "none")
    plain = fully_decoded(text)
    if is_local(plain):
        return Source(text, "local")
    _refuse_climbing(text, plain)
    scheme = _scheme(plain)
    if scheme == "runs":
        identity, _, rest = _path(text, plain).partition("/")
        return Source(text, "run", identity, rest)
    if scheme == "models":
        return _model_source(text, plain)
    if scheme == ARTIFACT_SCHEME or _names_our_proxy(plain):
        return Source(text, "artifacts")
    return Source(text, "remote")


def fully_decoded(text: str) -> str:
    """Return the text without percent-escapes, however often they were applied.

    Each round makes the text shorter, so that it ends.
    """
    while (plain := unquote(text)) != text:
        text = plain
    return text


def is_local(plain: str) -> bool:
    """Whether a decoded text names a place on some machine's own disk."""
    scheme = _scheme(plain)
    # One letter is a Windows drive.
    return scheme == "file" or len(scheme) <= 1


def path_below(root: str, source: str) -> list[str] | None:
    """Return the segments of the source below the root, None when it does not lie inside."""
    outer, inner = urlsplit(root), urlsplit(source)
    if (outer.scheme.lower(), outer.netloc.lower()) != (inner.scheme.lower(), inner.netloc.lower()):
        return None
    if inner.query or inner.fragment:
        return None
    above, below = _segments(outer.path), _segments(inner.path)
    if not above or below[: len(above)] != above or ".." in below or "." in below:
        return None
    return below[len(above) :]


def refuse_local(source: Source, owner: str) -> Invalid:
    """Return the refusal of a place on disk that is not inside the named owner's folder."""
    return Invalid(
        f"Invalid model version source: '{source.text}'. To use a local path as a model version"
        f" source, {owner} must be given and the path must lie inside its artifact folder.",
        field="source",
    )


def refuse_foreign(source: Source, owner: str) -> Invalid:
    """Return the refusal of a source that is not inside what the request names."""
    return Invalid(
        f"Invalid model version source: '{source.text}'. It must lie inside the {owner} that the"
        " request names, in the project of the registered model.",
        field="source",
    )


def _refuse_climbing(text: str, plain: str) -> None:
    parts = re.split(r"[/\\]", fully_decoded(unquote_plus(plain)))
    if "\x00" in plain or ".." in parts or "." in parts[1:]:
        raise Invalid(
            f"Invalid model version source: '{text[:200]}'. If supplying a source as an http, https,"
            " object store or artifact address, its path must be absolute and without relative"
            " parts.",
            field="source",
        )


def _scheme(plain: str) -> str:
    found = SCHEME.match(plain.strip())
    return found[0].lower() if found else ""


def _path(text: str, plain: str) -> str:
    """Return the path behind ``runs:`` or ``models:``.

    Raises:
        Invalid: when there is a host, a query or a fragment.
    """
    rest = plain.strip().split(":", 1)[1]
    if not rest.startswith("/") or rest.startswith("//") or not rest.strip("/"):
        raise Invalid(f"Invalid model version source: '{text}'.", field="source")
    return rest[1:].rstrip("/")


def _model_source(text: str, plain: str) -> Source:
    path = _path(text, plain)
    if MODEL_ID.fullmatch(path):
        return Source(text, "logged", path)
    name, slash, rest = path.partition("/")
    if not slash:
        name, at, alias = path.rpartition("@")
        rest = at + alias
    if not name or not rest or "/" in rest:
        raise Invalid(f"Invalid model version source: '{text}'.", field="source")
    return Source(text, "version", name, rest)


def _names_our_proxy(plain: str) -> bool:
    if _scheme(plain) not in {"http", "https"}:
        return False
    parts = _segments(urlsplit(plain).path)
    width = len(ARTIFACT_ROUTE)
    return any(parts[at : at + width] == ARTIFACT_ROUTE for at in range(len(parts)))


def _segments(path: str) -> list[str]:
    return [fully_decoded(part) for part in path.split("/") if part]
