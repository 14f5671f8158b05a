"""Page tokens and limits shared by every list."""

from dataclasses import dataclass
from typing import Any

from django.core import signing

from platform_site.core.errors import Invalid

DEFAULT_LIMIT = 50
MAX_LIMIT = 1000
MAX_OFFSET = 2**53


@dataclass(frozen=True)
class Window:
    """A slice of a list: ``rows[offset:offset + limit]``."""

    limit: int
    offset: int


def parse_window(
    params: Any, *, default_limit: int = DEFAULT_LIMIT, max_limit: int = MAX_LIMIT
) -> Window:
    """Read ``limit`` and ``offset`` from query parameters.

    Raises:
        Invalid: naming the parameter that is not a whole number within its bounds.
    """
    limit = parse_whole_number(params.get("limit"), "limit", default_limit, low=1, high=max_limit)
    offset = parse_whole_number(params.get("offset"), "offset", 0, low=0, high=MAX_OFFSET)
    return Window(limit=limit, offset=offset)


def parse_whole_number(
    text: str | None, name: str, default: int, *, low: int = 0, high: int = 2**63 - 1
) -> int:
    """Return the parameter as an integer within [low, high].

    Raises:
        Invalid: when it is not.
    """
    if text is None or text == "":
        return default
    digits = text[1:] if text[:1] in "+-" else text
    if len(text) > 20 or not (digits.isascii() and digits.isdigit()):
        raise Invalid(f"'{name}' must be a whole number.", field=name)
    value = int(text)
    if not low <= value <= high:
        raise Invalid(f"'{name}' must be between {low} and {high}.", field=name)
    return value


def make_token(position: dict[str, Any], *, salt: str) -> str:
    """Return an opaque signed token for a keyset position."""
    return signing.dumps(position, salt=f"page:{salt}", compress=True)


def read_token(token: str, *, salt: str) -> dict[str, Any]:
    """Return the keyset position of a token made by `make_token` with the same salt.

    Raises:
        Invalid: when the token is forged, foreign or broken.
    """
    try:
        position = signing.loads(token, salt=f"page:{salt}")
    except signing.BadSignature as error:
        raise Invalid(
            "The page token is not valid for this list.", code="bad_page_token"
        ) from error
    if not isinstance(position, dict):
        raise Invalid("The page token is not valid for this list.", code="bad_page_token")
    return position
