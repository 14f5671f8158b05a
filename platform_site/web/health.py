"""Is this process alive and does the database answer? For load balancers; no sign-in."""

from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse

from platform_site.core.access_rules import public


@public
def health(request: HttpRequest) -> JsonResponse:
    """Answer 200 when the database answers, 503 otherwise."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            cursor.fetchone()
    except DatabaseError:
        return JsonResponse({"status": "unavailable", "database": "unreachable"}, status=503)
    return JsonResponse({"status": "ok"})
