"""One canonical spelling for names that people give, so that two equal-looking names are equal."""

import re
import unicodedata

from platform_site.core.errors import Invalid

SPACES = re.compile(r"\s+")
# Control, format (zero-width, direction marks), surrogate, private use, unassigned.
HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
# What a URL segment can carry unchanged: names of models stand in addresses.
MODEL_NAME = re.compile(r"\w[\w .\-]*")
MODEL_NAME_CHARS = 200


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


def model_name(text: str, *, field: str = "name") -> str:
    """Return the name of a registered model in its one canonical form.

    Raises:
        Invalid: when it is empty, too long or holds characters that an address cannot carry.
    """
    name = canonical_name(text, field=field, max_chars=MODEL_NAME_CHARS)
    if not MODEL_NAME.fullmatch(name) or name.endswith("."):
        raise Invalid(
            f"A model name has 1 to {MODEL_NAME_CHARS} letters, digits, spaces, dots, dashes or"
            " underscores, begins with a letter or digit and does not end with a dot.",
            field=field,
        )
    return name
