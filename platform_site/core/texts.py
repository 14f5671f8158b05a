"""Free text that a database can hold: no NUL, no half of a surrogate pair, no more than so much."""

from platform_site.core.errors import Invalid


def storable(text: str, *, field: str, max_chars: int) -> str:
    """Return the text as it is.

    Raises:
        Invalid: when it is too long, or holds what PostgreSQL or UTF-8 cannot.
    """
    if len(text) > max_chars:
        raise Invalid(
            f"'{field}' has {len(text):,} characters; {max_chars:,} are allowed.", field=field
        )
    if "\x00" in text:
        raise Invalid(f"'{field}' holds a NUL character.", field=field)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Invalid(f"'{field}' holds characters that are no text.", field=field) from None
    return text
