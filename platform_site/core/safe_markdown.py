"""Markdown that people wrote, as HTML that harms nobody."""

from typing import Final

import nh3
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt

TAGS: Final = frozenset(
    "h2 h3 h4 h5 h6 p br hr em strong s code pre blockquote ul ol li a table thead tbody tr th"
    " td".split()
)
ATTRIBUTES: Final = {"a": {"href", "title"}}
SCHEMES: Final = frozenset({"http", "https", "mailto"})
DEEPEST: Final = 6

_markdown = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])


def markdown_html(text: str) -> SafeString:
    """Return Markdown as HTML that runs no script, loads nothing and carries no style.

    Headings move one level down, because the page has its own first heading.
    """
    tokens = _markdown.parse(text)
    for token in tokens:
        if token.type in {"heading_open", "heading_close"}:
            token.tag = f"h{min(DEEPEST, int(token.tag[1:]) + 1)}"
    html = _markdown.renderer.render(tokens, _markdown.options, {})
    clean = nh3.clean(
        html,
        tags=set(TAGS),
        attributes={tag: set(names) for tag, names in ATTRIBUTES.items()},
        url_schemes=set(SCHEMES),
        link_rel="noopener noreferrer nofollow",
    )
    return mark_safe(clean)  # noqa: S308  # cleaned in the line above
