"""Error answers: a page for people, one JSON shape for programs; never a traceback."""

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render

from platform_site.core.api_errors import CODES

MESSAGES = {
    400: "The request could not be understood.",
    403: "You may not do this.",
    404: "There is nothing at this address.",
    500: "Something went wrong on our side. The request id helps to find it in the log.",
}


def _answer(request: HttpRequest, status: int) -> HttpResponse:
    if request.path.startswith("/api/"):
        body: dict[str, Any] = {
            "error_code": CODES.get(status, "server_error"),
            "message": MESSAGES[status],
            "details": {},
            "request_id": getattr(request, "request_id", None),
        }
        return JsonResponse(body, status=status)
    return render(request, f"{status}.html", status=status)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 400."""
    return _answer(request, 400)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 403."""
    return _answer(request, 403)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 404."""
    return _answer(request, 404)


def server_error(request: HttpRequest, *args: Any) -> HttpResponse:
    """Answer 500."""
    return _answer(request, 500)
