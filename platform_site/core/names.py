"""One canonical spelling for names that people give, so that two equal-looking names are equal."""

import re
import unicodedata
from urllib.parse import unquote

from platform_site.core.errors import Invalid

SPACES = re.compile(r"\s+")
# Control, format (zero-width, direction marks), surrogate, private use, unassigned.
HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
MODEL_NAME_CHARS = 256
# Each decoding that changes a name makes it shorter, so this many are enough for any honest one.
MAX_DECODINGS = 10


def canonical_name(text: str, *, field: str = "name", max_chars: int = 100) -> str:
    """Return the name in NFKC with single inner spaces and none around it.

    Raises:
        Invalid: when it is empty, too long, or holds characters that cannot be seen.
    """
    name = SPACES.sub(" ", unicodedata.normalize("NFKC", text)).strip()
    if not name:
        raise Invalid(f"'{field}' must not be empty.", field=field)
    if len(name) > max_chars:
        raise Invalid(f"'{field}' is longer than {max_chars} characters.", field=field)
    if any(unicodedata.category(char) in HIDDEN_CATEGORIES for char in name):
        raise Invalid(f"'{field}' holds characters that cannot be seen.", field=field)
    return name


def model_name(text: str, *, field: str = "name", max_chars: int = MODEL_NAME_CHARS) -> str:
    """Return the name of a registered model in its one canonical form.

    Percent-escapes are resolved, since a name stands in addresses: "a%20b" and "a b" are one name.

    Raises:
        Invalid: when it is empty, too long or would mean something else in an address.
    """
    name = canonical_name(_unquoted(text), field=field, max_chars=max_chars)
    if "/" in name or ":" in name:
        raise Invalid("The name of a model has no '/' and no ':'.", field=field)
    if name.endswith("."):
        raise Invalid("The name of a model does not end with a dot.", field=field)
    return name


def _unquoted(text: str) -> str:
    """Return the text without percent-escapes, however often they were applied."""
    for _ in range(MAX_DECODINGS):
        try:
            plain = unquote(unicodedata.normalize("NFKC", text), errors="strict")
        except UnicodeDecodeError:
            return text
        if plain == text:
            return text
        text = plain
    return text
