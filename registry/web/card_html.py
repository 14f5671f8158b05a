"""A model card as HTML."""

from django.utils.safestring import SafeString

from platform_site.core.safe_markdown import markdown_html


def card_html(card: str) -> SafeString:
    """Return the card as HTML that runs no script, loads nothing and carries no style."""
    return markdown_html(card)
