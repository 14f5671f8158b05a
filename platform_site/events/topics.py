"""Which topics exist and who may follow them; apps register theirs at start-up."""

from collections.abc import Callable
from typing import Any

from django.core.exceptions import ValidationError

from platform_site.core.errors import NotFound

MAX_TOPIC_CHARS = 120
Authorise = Callable[[Any, str], None]
_authorisers: dict[str, Authorise] = {}


def register(prefix: str, authorise: Authorise) -> None:
    """Register the check for topics ``prefix:<id>``; it raises NotFound for strangers."""
    _authorisers[prefix] = authorise


def check_may_follow(user: Any, topic_key: str) -> None:
    """Refuse unless the person may follow the topic.

    Raises:
        NotFound: for an unknown topic and for one the person may not see, alike.
    """
    refused = NotFound(f"No such topic: {topic_key[:MAX_TOPIC_CHARS]}", topic=topic_key[:120])
    prefix, _, identity = topic_key.partition(":")
    authorise = _authorisers.get(prefix)
    if (
        authorise is None
        or not identity
        or len(topic_key) > MAX_TOPIC_CHARS
        or "\x00" in topic_key
        or not user.is_authenticated
    ):
        raise refused
    try:
        authorise(user, identity)
    except (ValueError, OverflowError, ValidationError) as error:  # "run:abc" has no such id
        raise refused from error
    except NotFound as error:  # one answer for "is not there" and "is not yours"
        raise refused from error
