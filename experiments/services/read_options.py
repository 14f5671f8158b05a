"""What a person may say about how a file is to be read; everything else is detected."""

import codecs
from collections.abc import Mapping
from typing import Any

from django.conf import settings

from experiments.data.specs import EngineError, ReadOptions
from platform_site.core.errors import Invalid

DECLARABLE = (
    "encoding",
    "separator",
    "decimal",
    "comment_prefix",
    "header",
    "null_words",
    "column_types",
    "skip_bad_rows",
)
SEPARATOR_WORDS = {
    "tab": "\t",
    "\\t": "\t",
    "comma": ",",
    "semicolon": ";",
    "pipe": "|",
    "space": " ",
}
MAX_NULL_WORDS = 200
MAX_WORD_CHARS = 100
MAX_TYPED_COLUMNS = 10_000


def clean_options(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the declared options that say something, in the form the engine takes.

    Raises:
        Invalid: naming the option that is unknown or does not fit.
    """
    unknown = sorted(set(values) - set(DECLARABLE))
    if unknown:
        raise Invalid(
            f"Unknown read option '{unknown[0]}': choose from {', '.join(DECLARABLE)}.",
            field=unknown[0],
        )
    cleaned = {name: value for name, value in values.items() if value not in (None, "", [], {})}
    if cleaned.get("skip_bad_rows") is False:
        del cleaned["skip_bad_rows"]
    _check_types(cleaned)
    if "separator" in cleaned:
        cleaned["separator"] = SEPARATOR_WORDS.get(cleaned["separator"], cleaned["separator"])
    if "encoding" in cleaned:
        cleaned["encoding"] = _known_encoding(cleaned["encoding"])
    try:
        ReadOptions.from_json(cleaned)
    except EngineError as error:
        raise Invalid(error.message, code=error.code, **error.details) from error
    return cleaned


def engine_options(declared: Mapping[str, Any]) -> ReadOptions:
    """Return the declared options together with this installation's limits."""
    return ReadOptions.from_json(
        {
            **declared,
            "max_stored_bytes": settings.MAX_UPLOAD_BYTES,
            "max_expanded_bytes": settings.MAX_EXPANDED_BYTES,
        }
    )


def _check_types(options: Mapping[str, Any]) -> None:
    for name in ("encoding", "separator", "decimal", "comment_prefix"):
        value = options.get(name, "")
        if not isinstance(value, str) or len(value) > 40 or "\x00" in value:
            raise Invalid(f"'{name}' must be a short text.", field=name)
    for name in ("header", "skip_bad_rows"):
        if not isinstance(options.get(name, False), bool):
            raise Invalid(f"'{name}' must be true or false.", field=name)
    words = options.get("null_words", [])
    if not _is_word_list(words):
        raise Invalid("'null_words' must be a list of short texts.", field="null_words")
    types = options.get("column_types", {})
    if not isinstance(types, Mapping) or len(types) > MAX_TYPED_COLUMNS:
        raise Invalid("'column_types' must map column names to types.", field="column_types")
    if not all(isinstance(one, str) for pair in types.items() for one in pair):
        raise Invalid("'column_types' must map column names to types.", field="column_types")


def _is_word_list(words: Any) -> bool:
    return (
        isinstance(words, (list, tuple))
        and len(words) <= MAX_NULL_WORDS
        and all(isinstance(word, str) and len(word) <= MAX_WORD_CHARS for word in words)
    )


def _known_encoding(name: str) -> str:
    try:
        info = codecs.lookup(name)
    except (LookupError, ValueError) as error:
        raise Invalid(f"Unknown encoding '{name}'.", field="encoding") from error
    if not getattr(info, "_is_text_encoding", True):
        raise Invalid(f"'{name}' is not an encoding of text.", field="encoding")
    return name
