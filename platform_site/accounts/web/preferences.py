"""A person's language and theme as the cookies that pages read."""

from django.conf import settings
from django.http import HttpResponseBase

from platform_site.accounts.models import User

THEME_COOKIE = "assay_theme"
ONE_YEAR_S = 365 * 24 * 3600


def remember_preferences(response: HttpResponseBase, user: User) -> None:
    """Set or clear the cookies of theme and language on this device."""
    response.set_cookie(
        THEME_COOKIE,
        user.theme,
        max_age=ONE_YEAR_S,
        samesite="Lax",
        secure=settings.SESSION_COOKIE_SECURE,
    )
    if user.language:
        response.set_cookie(
            settings.LANGUAGE_COOKIE_NAME,
            user.language,
            max_age=ONE_YEAR_S,
            samesite="Lax",
            secure=settings.SESSION_COOKIE_SECURE,
        )
    else:
        response.delete_cookie(settings.LANGUAGE_COOKIE_NAME, samesite="Lax")
