"""JSON in and out of the API: bounded depth and size, finite numbers only."""

import json
import math
from collections.abc import Mapping
from typing import IO, Any

from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import JSONParser
from rest_framework.renderers import JSONRenderer

MAX_BODY_BYTES = 16 * 1024 * 1024
MAX_DEPTH = 64


class BodyTooLarge(APIException):
    """The body exceeds the limit for JSON."""

    status_code = 413
    default_detail = f"The JSON body is larger than {MAX_BODY_BYTES} bytes."
    default_code = "too_large"


class StrictJSONParser(JSONParser):
    """Refuse what the rest of the system could not store or answer."""

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the decoded body.

        Raises:
            ParseError: for bad UTF-8, broken JSON, NaN or infinity, nesting deeper than 64.
            BodyTooLarge: above 16 MiB.
        """
        raw = stream.read(MAX_BODY_BYTES + 1)
        if len(raw) > MAX_BODY_BYTES:
            raise BodyTooLarge
        return parse_strict(raw)


def parse_strict(raw: bytes) -> Any:
    """Decode JSON bytes under the limits of the API.

    Raises:
        ParseError: saying what is wrong.
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ParseError(f"The body is not UTF-8 (byte {error.start}).") from error
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise ParseError(f"The JSON is nested deeper than {MAX_DEPTH} levels.") from error
    except ValueError as error:
        raise ParseError(f"The body is not valid JSON: {error}") from error
    refuse_unstorable(value)
    return value


def refuse_unstorable(value: Any) -> None:
    """Refuse a decoded value that databases or JSON answers could not hold.

    Raises:
        ParseError: for nesting deeper than 64, infinite numbers, NUL, half a surrogate pair.
    """
    _check(value, depth=0)


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")


def _check(value: Any, *, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise ParseError(f"The JSON is nested deeper than {MAX_DEPTH} levels.")
    if isinstance(value, dict):
        for key, inner in value.items():
            _check(key, depth=depth)
            _check(inner, depth=depth + 1)
    elif isinstance(value, list):
        for inner in value:
            _check(inner, depth=depth + 1)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ParseError("A number in the body is too large.")
    elif isinstance(value, str) and ("\x00" in value or _has_surrogate(value)):
        raise ParseError("A text in the body holds NUL or half a surrogate pair.")


def _has_surrogate(text: str) -> bool:
    return not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text)


def finite(value: Any) -> Any:
    """Return the value with NaN and infinities replaced by None, as JSON knows neither."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(inner) for inner in value]
    return value


class CleanJSONRenderer(JSONRenderer):
    """Answers never carry NaN or infinity."""

    strict = True

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the encoded body."""
        return super().render(finite(data), accepted_media_type, renderer_context)
