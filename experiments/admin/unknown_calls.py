"""Console of calls that clients made and this server does not implement."""

from django.contrib import admin

from experiments.models import UnknownCall
from platform_site.accounts.admin import ReadOnlyAdmin


@admin.register(UnknownCall)
class UnknownCallAdmin(ReadOnlyAdmin):
    """What clients of the tracking protocol asked for in vain, most often first."""

    list_display = ("path", "method", "client", "n_calls", "first_at", "last_at")
    list_filter = ("method",)
    search_fields = ("path", "client")
    ordering = ("-n_calls", "-id")
    fields = ("method", "path", "client", "n_calls", "first_at", "last_at")
