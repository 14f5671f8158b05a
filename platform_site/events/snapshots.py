"""Where a page's snapshot stands in a topic: read it first, then the state, then follow."""

from platform_site.events.reader import heads


def place(topic: str) -> dict[str, str | int]:
    """Return ``{"topic", "after"}`` for the browser's live module; one query."""
    head = heads([topic]).get(topic)
    return {"topic": topic, "after": head.head if head is not None else 0}
