"""One counter of wrong passwords for every door, by account and by address, and its answer."""

import ipaddress
from typing import Any

from axes.handlers.database import AxesDatabaseHandler
from axes.models import AccessAttempt
from django.conf import settings
from django.db.models import F
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _

from platform_site.core.clock import now
from platform_site.core.transactions import write_transaction

MESSAGE = _("Too many failed sign-ins. Try again later.")
RETRY_AFTER_S = int(settings.AXES_COOLOFF_TIME * 3600)


class CountBeforeCheck(AxesDatabaseHandler):  # type: ignore[misc]  # axes has no types
    """axes' counter, except that an attempt is counted before its password is looked at.

    axes counts after the check, so a hundred attempts at once would all find a counter below the
    limit. Here each attempt is committed first and then counts itself: of any number at once,
    only as many as the limit allows reach the password hasher.
    """

    def is_allowed(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> bool:
        """Whether this attempt may look at the password; counts it."""
        is_free = super().is_allowed(request, credentials)
        if is_free:
            self._count(request, _username(credentials))
            is_free = self.get_failures(request, credentials) <= settings.AXES_FAILURE_LIMIT
        request.axes_locked_out = not is_free  # type: ignore[attr-defined]  # axes' own mark
        return bool(is_free)

    def user_login_failed(
        self,
        sender: Any,
        credentials: dict[str, Any],
        request: HttpRequest | None = None,
        **kwargs: Any,
    ) -> None:
        """Nothing to count: `is_allowed` did."""
        if request is not None and getattr(request, "axes_locked_out", False):
            request.axes_credentials = credentials  # type: ignore[attr-defined]  # axes' own

    def reset_user_attempts(
        self, request: HttpRequest, credentials: dict[str, Any] | None = None
    ) -> int:
        """Forget this person's failures from this address only.

        axes would forget all of the address: somebody with an account of their own could then
        guess at others for ever, signing in between.
        """
        return forgive(request, _username(credentials))

    def _count(self, request: HttpRequest, username: str) -> None:
        with write_transaction():
            self.clean_expired_user_attempts(request)
            attempt, created = AccessAttempt.objects.get_or_create(
                username=username,
                ip_address=client_address(request),
                user_agent="",
                defaults={"failures_since_start": 1, "path_info": request.path[:255]},
            )
            if not created:
                AccessAttempt.objects.filter(pk=attempt.pk).update(
                    failures_since_start=F("failures_since_start") + 1, attempt_time=now()
                )


def forgive(request: HttpRequest, username: str) -> int:
    """Forget the failures of an account from the address of this request; return how many rows."""
    deleted, _rows = AccessAttempt.objects.filter(
        username=username, ip_address=client_address(request)
    ).delete()
    return int(deleted)


def client_address(request: HttpRequest) -> str | None:
    """Return the address of the client.

    A forwarded header is believed only behind TRUSTED_PROXY_COUNT proxies, and then only the
    entry that the outermost of them wrote: everything left of it comes from the client.
    """
    peer: str | None = request.META.get("REMOTE_ADDR") or None
    return forwarded_address(peer, request.META.get("HTTP_X_FORWARDED_FOR", ""))


def forwarded_address(peer: str | None, forwarded_for: str) -> str | None:
    """Return the address of the client that reached us through this peer."""
    proxies: int = settings.TRUSTED_PROXY_COUNT
    if not proxies:
        return peer
    hops = [hop.strip() for hop in forwarded_for.split(",")]
    candidate = hops[-min(proxies, len(hops))]
    try:
        return str(ipaddress.ip_address(candidate))
    except ValueError:
        return peer


def answer_locked_out(
    request: HttpRequest, original_response: HttpResponse | None, credentials: dict[str, Any]
) -> HttpResponse:
    """Answer 429 as JSON to programs, as a page to people."""
    response: HttpResponse
    if request.path.startswith("/api/"):
        body: dict[str, Any] = {
            "error_code": "too_many",
            "message": str(MESSAGE),
            "details": {},
            "request_id": getattr(request, "request_id", None),
        }
        response = JsonResponse(body, status=429)
    else:
        response = render(
            request,
            "accounts/locked_out.html",
            {"wait_minutes": RETRY_AFTER_S // 60},
            status=429,
        )
    response.headers["Retry-After"] = str(RETRY_AFTER_S)
    return response


def _username(credentials: dict[str, Any] | None) -> str:
    """Return the account as typed; never longer than the column."""
    return str((credentials or {}).get("username") or "")[:255]
