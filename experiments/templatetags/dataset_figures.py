"""Filters that write figures the way `experiments.web.figures` does."""

from collections.abc import Sequence
from typing import Any, Final

from django import template
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from experiments.web import figures
from experiments.web.dataset_table import Cell

register = template.Library()
CELL_HTML: Final = "<td{}>{}{}{}</td>"
NUMBER_CLASS: Final = SafeString(' class="num"')
NULL: Final = (SafeString('<span class="cell-null">'), "null", SafeString("</span>"))
TEXT: Final = (SafeString("<bdi>"), SafeString("</bdi>"))


@register.filter
def figure(value: Any) -> str:
    """Return a number with thousands marked."""
    return figures.number(value)


@register.filter
def bytes_text(value: int | None) -> str:
    """Return a size in bytes with a fitting unit."""
    return figures.size(value)


@register.simple_tag
def table_cells(cells: Sequence[Cell]) -> SafeString:
    """Return the cells of a row, escaped; a template loop over 2,500 cells was most of the page."""
    return format_html_join(
        "",
        CELL_HTML,
        (
            (
                NUMBER_CLASS if cell.is_number else "",
                *(NULL if cell.is_null else (TEXT[0], cell.text, TEXT[1])),
            )
            for cell in cells
        ),
    )
