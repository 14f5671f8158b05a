"""Words for numbers on training pages."""

from django import template
from django.utils.translation import gettext as _

register = template.Library()


@register.filter
def about_duration(duration_s: float) -> str:
    """Return a rough duration in words: "about 4 s", "about 3 min"."""
    if duration_s < 1.5:
        return _("about a second")
    if duration_s < 90:
        return _("about %(n)d s") % {"n": round(duration_s)}
    if duration_s < 5400:
        return _("about %(n)d min") % {"n": round(duration_s / 60)}
    return _("about %(n)d h") % {"n": round(duration_s / 3600)}
