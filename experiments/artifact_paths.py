"""Names in the artifact tree: what a client's path means, and which paths nobody may use.

A path names rows, never files of this machine: hostile forms could do no harm here, but a client
that downloads such a name writes it to its own disk.
"""

import re
import unicodedata
from typing import Final
from urllib.parse import unquote, urlsplit

from platform_site.core.errors import Invalid

MAX_PATH_CHARS: Final = 1024
MAX_SEGMENT_BYTES: Final = 255
MAX_DECODINGS: Final = 8
STORE_SCHEME: Final = "mlflow-artifacts"

DRIVE: Final = re.compile(r"[A-Za-z]:")
SCHEME: Final = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*://|file:)", re.IGNORECASE)
SEPARATORS: Final = re.compile(r"[\\/]")
FORBIDDEN_CATEGORIES: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
# Embeddings, overrides and isolates: they show a name other than the one it is.
REORDERING: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# `#` and `?` cut an address; U+FFFD stands for bytes that were no UTF-8, so the name is lost.
NEVER: Final = frozenset("#?\ufffd") | REORDERING


def clean_path(text: str) -> str:
    """Return the path as it is stored: relative, NFC, one slash between two names.

    The text is taken as it came, decoded once; further decoding only serves to find what hides.

    Raises:
        Invalid: for an empty or hostile path, and one that is too long.
    """
    path = clean_folder(text)
    if not path:
        raise _refused("it is empty")
    return path


def clean_folder(text: str) -> str:
    """Return the path of a folder as `clean_path` does; empty text is the root.

    Raises:
        Invalid: for a hostile path, and one that is too long.
    """
    if len(text) > 4 * MAX_PATH_CHARS:
        raise _refused(f"it has more than {MAX_PATH_CHARS} characters")
    for form in _hidden_forms(text):
        _refuse_hostile(form)
    segments = [part for part in unicodedata.normalize("NFC", text).split("/") if part]
    for segment in segments:
        if len(segment.encode()) > MAX_SEGMENT_BYTES:
            raise _refused(f"a name in it has more than {MAX_SEGMENT_BYTES} bytes")
    path = "/".join(segments)
    if len(path) > MAX_PATH_CHARS:
        raise _refused(f"it has more than {MAX_PATH_CHARS} characters")
    return path


def _hidden_forms(text: str) -> list[str]:
    """Return the text and all it turns into by decoding again and by compatibility forms."""
    forms = [text]
    for _ in range(MAX_DECODINGS):
        decoded = unquote(forms[-1])
        if decoded == forms[-1]:
            return [*forms, unicodedata.normalize("NFKC", forms[-1])]
        forms.append(decoded)
    raise _refused("it is encoded too many times")


def _refuse_hostile(form: str) -> None:
    if form.startswith(("/", "\\")) or SCHEME.match(form):
        raise _refused("it is not relative")
    for char in form:
        if char in NEVER or unicodedata.category(char) in FORBIDDEN_CATEGORIES:
            raise _refused(f"it contains {unicodedata.name(char, f'U+{ord(char):04X}')}")
    for segment in SEPARATORS.split(form):
        if segment and (not segment.strip(". ") or DRIVE.fullmatch(segment)):
            raise _refused(f"“{segment}” is no name")


def _refused(reason: str) -> Invalid:
    return Invalid(f"Invalid path: {reason}.", code="invalid_path", field="path")


def joined(*parts: str) -> str:
    """Return the parts as one path; empty ones are left out."""
    return "/".join(part for part in parts if part)


def name_of(path: str) -> str:
    """Return the last name of a path."""
    return path.rpartition("/")[2]


def base_name(text: str) -> str:
    """Return the last name of a path of a client's machine, whichever separator it uses."""
    return SEPARATORS.split(text.rstrip("\\/"))[-1]


def folders_of(path: str) -> list[str]:
    """Return the folders that contain the path, outermost first, without the root."""
    names = path.split("/")[:-1]
    return ["/".join(names[: count + 1]) for count in range(len(names))]


def path_of_uri(uri: str) -> str | None:
    """Return where in our store an artifact address points, or None if elsewhere.

    An address with a host names another server's store, even if the host is this one.
    """
    parts = urlsplit(uri)
    if parts.scheme != STORE_SCHEME or parts.netloc or parts.query or parts.fragment:
        return None
    try:
        return clean_folder(parts.path.lstrip("/"))
    except Invalid:
        return None


def run_uri(location: str, run_uuid: str) -> str:
    """Return where the files of a run are, below its experiment's location."""
    return f"{location.rstrip('/')}/{run_uuid}/artifacts"


def model_uri(location: str, model_id: str) -> str:
    """Return where the files of a logged model are, below its experiment's location."""
    return f"{location.rstrip('/')}/models/{model_id}/artifacts"
