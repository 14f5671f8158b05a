"""Console of people, projects and tokens: no secret and no password digest is ever shown."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.models import Group
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin, TabularInline

from platform_site.accounts.access import require_superuser
from platform_site.accounts.models import ApiToken, Membership, Project, User
from platform_site.accounts.services import people, tokens
from platform_site.core.errors import DomainError

# Rights come from roles in projects and from being administrator; groups are not used.
admin.site.unregister(Group)


class MembershipInline(TabularInline):  # type: ignore[misc]  # untyped library
    """Members, to look at; they change on the project's own page, which keeps the rules."""

    model = Membership
    extra = 0
    can_delete = False
    fields = ("user", "role", "created_at")
    readonly_fields = fields

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody adds here."""
        return False


class ReadOnlyAdmin(ModelAdmin):  # type: ignore[misc]  # untyped library
    """A table to look at; what may change does so by actions that call services."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody adds here."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody edits here."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody deletes here."""
        return False

    def has_service_permission(self, request: HttpRequest) -> bool:
        """Whether actions are offered: to administrators of the installation."""
        return bool(request.user.is_active and request.user.is_superuser)


@admin.register(User)
class UserAdmin(ReadOnlyAdmin):
    """People; they are added and reset on the page “People”."""

    list_display = ("username", "first_name", "last_name", "email", "is_active", "is_superuser")
    list_filter = ("is_active", "is_superuser")
    search_fields = ("username", "first_name", "last_name", "email")
    ordering = ("username",)
    fields = (
        "username",
        "first_name",
        "last_name",
        "email",
        "is_active",
        "is_staff",
        "is_superuser",
        "last_login",
        "date_joined",
        "language",
        "theme",
    )
    actions = ("activate", "deactivate", "revoke_tokens")

    @admin.action(description=_("Activate"), permissions=["service"])
    def activate(self, request: HttpRequest, queryset: Any) -> None:
        """Let people in again."""
        self._set_active(request, queryset, is_active=True)

    @admin.action(description=_("Deactivate and revoke tokens"), permissions=["service"])
    def deactivate(self, request: HttpRequest, queryset: Any) -> None:
        """Shut people out."""
        self._set_active(request, queryset, is_active=False)

    @admin.action(description=_("Revoke all API tokens"), permissions=["service"])
    def revoke_tokens(self, request: HttpRequest, queryset: Any) -> None:
        """Make all tokens of people useless at once."""
        for person in queryset:
            tokens.revoke_all_tokens(user=person)

    def _set_active(self, request: HttpRequest, queryset: Any, *, is_active: bool) -> None:
        by = require_superuser(request.user)
        for person in queryset:
            try:
                people.set_active(user=person, is_active=is_active, by=by)
            except DomainError as error:
                messages.error(request, f"{person}: {error.message}")


@admin.register(Project)
class ProjectAdmin(ReadOnlyAdmin):
    """Projects and their members."""

    list_display = ("name", "slug", "created_by", "created_at")
    list_select_related = ("created_by",)
    search_fields = ("name", "slug")
    ordering = ("name",)
    fields = ("name", "slug", "description", "created_by", "created_at")
    inlines = (MembershipInline,)


@admin.register(Membership)
class MembershipAdmin(ReadOnlyAdmin):
    """Who belongs where."""

    list_display = ("user", "project", "role", "created_at")
    list_select_related = ("user", "project")
    list_filter = ("role",)
    search_fields = ("user__username", "project__name")
    ordering = ("project__name", "user__username")
    fields = ("user", "project", "role", "created_at")


@admin.register(ApiToken)
class ApiTokenAdmin(ReadOnlyAdmin):
    """Tokens, to look at.

    No action here: it would put the digests, which are the keys of the rows, into the page.
    """

    list_display = ("name", "token_key", "user", "scope", "created", "last_used_at", "expiry")
    list_display_links = None
    list_select_related = ("user",)
    list_filter = ("scope",)
    search_fields = ("name", "token_key", "user__username")
    ordering = ("-created",)
    fields = ("name", "token_key", "user", "scope", "created", "last_used_at", "expiry")
