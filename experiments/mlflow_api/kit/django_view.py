"""The protocol as a Django view: for WSGI servers and for tests, with the same endpoints.

Every call runs on Django's connection of this thread. The ASGI handler stands in front of it.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import async_to_sync, sync_to_async
from django.core.exceptions import RequestDataTooBig
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBase
from django.views.decorators.csrf import csrf_exempt

from experiments.mlflow_api.kit import guard
from experiments.mlflow_api.kit.answers import Answer, FileAnswer, refusal
from experiments.mlflow_api.kit.boundary import refusal_for
from experiments.mlflow_api.kit.call import Call
from experiments.mlflow_api.kit.file_parts import pieces
from experiments.mlflow_api.kit.hot import run_on_django, settle
from experiments.mlflow_api.kit.identity import identify, read_credential
from experiments.mlflow_api.kit.routes import Route, RouteTable
from platform_site.accounts.lockout import client_address
from platform_site.core.errors import TooLarge
from platform_site.core.json_parser import MAX_BODY_BYTES

PIECE_BYTES = 64 * 1024


def protocol_view(
    table: RouteTable, note_unknown: Callable[[Call], None]
) -> Callable[..., HttpResponseBase]:
    """Return a view that answers every route of the table; who may call what is the route's."""

    def view(request: HttpRequest, **_: str) -> HttpResponseBase:
        try:
            return _response(_answer(table, note_unknown, request))
        except Exception as error:
            told = refusal_for(error)
            if told is None:
                raise
            return _response(refusal(told))

    return csrf_exempt(view)


def _answer(
    table: RouteTable,
    note_unknown: Callable[[Call], None],
    request: HttpRequest,
) -> Answer | FileAnswer:
    call = _call_of(request)
    found = table.find(call.method, call.path)
    if found is None or not found.route.public:
        call.known_caller = identify(
            read_credential(call.headers.get("authorization")), call.client_address, call.path
        )
    if found is None:
        error = guard.no_route(table, call.method, call.path)
        if error.status == 404:
            note_unknown(call)
        raise error
    route = found.route
    call.path_params = found.params
    guard.check_headers(route, call.method, call.headers)
    guard.check_scope(route, call)
    if route.stream:
        return settle(_run_stream(route, call, request))
    call.body = _body(request)
    return settle(run_on_django(route, call) if route.hot else route.endpoint(call))


def _call_of(request: HttpRequest) -> Call:
    return Call(
        method=request.method or "",
        path=request.path,
        query_string=request.META.get("QUERY_STRING", "").encode("latin-1"),
        headers={name.lower(): value for name, value in request.headers.items()},
        client_address=client_address(request),
        request_id=getattr(request, "request_id", ""),
    )


def _body(request: HttpRequest) -> bytes:
    try:
        body = request.body
    except RequestDataTooBig as error:
        raise TooLarge(f"The body is larger than {MAX_BODY_BYTES} bytes.") from error
    return body


def _run_stream(route: Route, call: Call, request: HttpRequest) -> Any:
    async def receive() -> dict[str, Any]:
        piece = request.read(PIECE_BYTES)
        return {"type": "http.request", "body": piece, "more_body": bool(piece)}

    async def in_thread(function: Callable[..., Any], *args: Any) -> Any:
        return await sync_to_async(function, thread_sensitive=True)(*args)

    async def run() -> Any:
        call.in_thread = in_thread
        work: Awaitable[Any] = route.endpoint(call, receive)
        return await work

    return async_to_sync(run)()


def _response(answer: Answer | FileAnswer) -> HttpResponseBase:
    response: HttpResponseBase
    if isinstance(answer, FileAnswer):
        response = FileResponse(pieces(answer), status=answer.status)
        response.headers["Content-Length"] = str(answer.length_bytes)
    else:
        response = HttpResponse(answer.body, status=answer.status)
    del response.headers["Content-Type"]
    for name, value in answer.headers.items():
        response.headers[name.title()] = value
    return response
