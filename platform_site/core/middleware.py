"""Middlewares: request id, private pages, access rules, domain errors on pages."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import redirect, render
from django.utils.cache import add_never_cache_headers

from platform_site.core import log_filters
from platform_site.core.access_rules import OWN_CHECK_NAMESPACES, rule_of
from platform_site.core.api_errors import error_body
from platform_site.core.errors import DomainError
from platform_site.core.ids import new_request_id

GetResponse = Callable[[HttpRequest], HttpResponseBase]
API_PREFIX = "/api/"
CONSOLE_POLICY = {"script-src": ["'unsafe-eval'"], "style-src": ["'unsafe-inline'"]}
API_DOCS_POLICY = {"style-src": ["'unsafe-inline'"]}


class RequestIdMiddleware:
    """Give every request an id that its log lines and its answer carry."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer with an X-Request-Id header."""
        identity = new_request_id()
        request.request_id = identity  # type: ignore[attr-defined]  # our own attribute
        mark = log_filters.request_id.set(identity)
        try:
            response = self.get_response(request)
        finally:
            log_filters.request_id.reset(mark)
        response.headers["X-Request-Id"] = identity
        return response


class PrivatePagesMiddleware:
    """Answers are for one person: never cached by anybody, never embedded across sites."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Add the headers unless the view chose its own caching."""
        response = self.get_response(request)
        if "Cache-Control" not in response.headers:
            add_never_cache_headers(response)
        response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        response.headers.setdefault(
            "Permissions-Policy", "camera=(), geolocation=(), microphone=()"
        )
        return response


class LibraryPagesPolicyMiddleware:
    """Let two pages that libraries draw do what they need; our own pages stay strict.

    The console's menus are Alpine (evaluates expressions), and both it and the API's browsable
    description set styles from scripts. Scripts still come from this host only.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Loosen the policy by route, never by what the client says."""
        response = self.get_response(request)
        match = request.resolver_match
        if match is not None and "admin" in match.namespaces:
            response._csp_update = CONSOLE_POLICY  # type: ignore[attr-defined]  # read by csp
        elif match is not None and match.url_name == "api-docs":
            response._csp_update = API_DOCS_POLICY  # type: ignore[attr-defined]  # read by csp
        return response


class AccessRuleMiddleware:
    """Enforce the declared rule of the route; an undeclared route answers nobody."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Nothing to do before the route is known."""
        return self.get_response(request)

    def process_view(
        self,
        request: HttpRequest,
        view: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> HttpResponseBase | None:
        """Let the request through, ask for a sign-in, or refuse."""
        match = request.resolver_match
        if match is not None and OWN_CHECK_NAMESPACES & set(match.namespaces):
            return None
        rule = rule_of(view)
        if rule in {"public", "api"}:
            return None
        if rule is None:
            raise PermissionDenied
        if not request.user.is_authenticated:
            return redirect_to_login(request.get_full_path())
        if rule == "staff" and not request.user.is_staff:
            raise PermissionDenied
        return None


class DomainErrorMiddleware:
    """Translate a `DomainError` that reached the top into a page or a JSON answer."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Pass through."""
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponseBase | None:
        """Show the message where the person is; programs get JSON."""
        if not isinstance(error, DomainError):
            return None
        if request.path.startswith(API_PREFIX):
            return JsonResponse(error_body(error, request), status=error.status)
        if request.method == "POST" and error.status not in {401, 404}:
            back = same_site_referrer(request)
            if back is not None and not request.headers.get("HX-Request"):
                messages.error(request, error.message)
                return redirect(back)
        if request.headers.get("HX-Request"):
            return HttpResponse(error.message, status=error.status, content_type="text/plain")
        return render(request, "errors/domain_error.html", {"error": error}, status=error.status)


def same_site_referrer(request: HttpRequest) -> str | None:
    """Return the path of the page that the form was on, if it is one of ours."""
    referrer = request.headers.get("Referer", "")
    origin = f"{request.scheme}://{request.get_host()}/"
    return "/" + referrer.removeprefix(origin) if referrer.startswith(origin) else None
