"""Times and sizes of runs as words."""

from django import template
from django.utils.translation import gettext as _

from experiments.models import Run

register = template.Library()


@register.filter
def run_duration(run: Run) -> str:
    """Return how long the run took, "—" while it goes on."""
    if run.start_ms is None or run.end_ms is None:
        return "—"
    return duration_words(run.end_ms - run.start_ms)


@register.filter
def duration_words(duration_ms: int) -> str:
    """Return a duration as "40 ms", "12.5 s", "3 min 20 s", "2 h 5 min" or "3 d 4 h"."""
    if duration_ms < 0:
        return "—"
    if duration_ms < 1000:
        return _("%(n)d ms") % {"n": duration_ms}
    seconds = duration_ms / 1000
    if seconds < 60:
        return _("%(n)s s") % {"n": f"{seconds:.1f}".removesuffix(".0")}
    whole = round(seconds)
    if whole < 3600:
        return _("%(n)d min %(m)d s") % {"n": whole // 60, "m": whole % 60}
    if whole < 86_400:
        return _("%(n)d h %(m)d min") % {"n": whole // 3600, "m": whole % 3600 // 60}
    return _("%(n)d d %(m)d h") % {"n": whole // 86_400, "m": whole % 86_400 // 3600}
