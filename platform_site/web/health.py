"""Is this process alive and does the database answer? For load balancers; no sign-in."""

from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse

from platform_site.core.access_rules import public


@public
def health(request: HttpRequest) -> HttpResponse:
    """Answer 200 when the database answers, 503 otherwise.

    The body is ``OK``, as checks made for MLflow servers expect, or JSON for who accepts it.
    """
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            cursor.fetchone()
    except DatabaseError:
        return _answer(request, 503, {"status": "unavailable", "database": "unreachable"})
    return _answer(request, 200, {"status": "ok"})


def _answer(request: HttpRequest, status: int, words: dict[str, str]) -> HttpResponse:
    if "application/json" in request.headers.get("Accept", ""):
        return JsonResponse(words, status=status)
    text = "OK" if status == 200 else words["status"]
    return HttpResponse(text, status=status, content_type="text/plain; charset=utf-8")
