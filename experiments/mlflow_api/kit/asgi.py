"""The protocol in front of Django's handler: the same endpoints at a tenth of the cost.

Django's own way to a view costs about a millisecond of CPU (2026-11), ten times what a hot
endpoint does. Here reads that take microseconds run on the event loop over a raw SQLite
connection, in threads with PostgreSQL; writes wait for the group commit; what uses the ORM runs
in a bounded pool of threads.
"""

import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from django.conf import settings
from django.http.request import split_domain_port, validate_host

from experiments.mlflow_api.kit import guard
from experiments.mlflow_api.kit.answers import Answer, FileAnswer, refusal
from experiments.mlflow_api.kit.boundary import refusal_for
from experiments.mlflow_api.kit.call import Call
from experiments.mlflow_api.kit.caller_cache import CallerCache
from experiments.mlflow_api.kit.errors import ProtocolError
from experiments.mlflow_api.kit.hot import HotRunner, settle
from experiments.mlflow_api.kit.messages import (
    ClientLeft,
    Message,
    Receive,
    Send,
    headers_of,
    read_body,
    send_answer,
    send_file,
    send_head,
)
from experiments.mlflow_api.kit.pools import OrmPool, Pool
from experiments.mlflow_api.kit.routes import PREFIXES, Found, RouteTable, tidy
from platform_site.accounts.lockout import forwarded_address
from platform_site.core.ids import new_request_id
from platform_site.core.log_filters import request_id as request_id_mark

Application = Callable[[Any, Any, Any], Awaitable[None]]

access_log = logging.getLogger("assay.access")
logger = logging.getLogger("assay.protocol")

FILE_THREADS: Final = 8
SLOW_S: Final = 5.0
MAX_KNOWN_HOSTS: Final = 100
VERSIONED: Final = tuple(prefix + version for prefix in PREFIXES for version in ("2.0/", "3.0/"))


class ProtocolFront:
    """An ASGI application that answers the protocol's routes and hands on all others."""

    def __init__(
        self, table: RouteTable, others: Application, note_unknown: Callable[[Call], None]
    ) -> None:
        self._table = table
        self._others = others
        self._note_unknown = note_unknown
        self._roots = {route.path for route in table.routes if route.path.startswith("/")}
        self._orm = OrmPool()
        self._files = Pool("protocol-files", FILE_THREADS)
        self._hot = HotRunner(self._orm)
        self._callers = CallerCache(self._orm.run)
        self._good_hosts: set[str] = set()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path = scope["path"]
        if not self._is_ours(path) or _must_be_redirected(scope):
            await self._others(scope, receive, send)
            return
        began_s = time.perf_counter()
        call = Call(scope["method"], path, query_string=scope["query_string"])
        call.headers = headers_of(scope)
        call.request_id = new_request_id()
        request_id_mark.set(call.request_id)
        call.client_address = forwarded_address(
            scope["client"][0] if scope.get("client") else None,
            call.headers.get("x-forwarded-for", ""),
        )
        try:
            answer = await self._answer_or_refusal(call, receive)
        except ClientLeft:
            return
        await self._send(answer, call, receive, send)
        _log(call, answer.status, time.perf_counter() - began_s)

    def _is_ours(self, path: str) -> bool:
        return (
            path.startswith(VERSIONED)
            or path in self._roots
            or ((tidied := tidy(path)) != path and self._is_ours(tidied))
        )

    async def _answer_or_refusal(self, call: Call, receive: Receive) -> Answer | FileAnswer:
        try:
            return await self._answer(call, receive)
        except ClientLeft:
            raise
        except Exception as error:
            # The border: a slip of ours ends this call, not the connection's task.
            told = refusal_for(error)
            if told is None:
                logger.exception("%s %s failed", call.method, ascii(call.path)[:300])
                told = ProtocolError("INTERNAL_ERROR", "The server failed; it was logged.")
        answer = refusal(told)
        if answer.status == 413:
            answer.headers["connection"] = "close"
        return answer

    async def _answer(self, call: Call, receive: Receive) -> Answer | FileAnswer:
        self._check_host(call.headers.get("host", ""))
        found = self._table.find(call.method, call.path)
        if found is None or not found.route.public:
            call.known_caller = self._callers.known(call.headers) or await self._callers.find(
                call.headers, call.client_address, call.path
            )
        if found is None:
            raise await self._no_route(call)
        guard.check_headers(found.route, call.method, call.headers)
        guard.check_scope(found.route, call)
        return await self._run(found, call, receive)

    async def _run(self, found: Found, call: Call, receive: Receive) -> Answer | FileAnswer:
        route = found.route
        call.path_params = found.params
        if route.stream:
            call.in_thread = self._orm.run
            return settle(await route.endpoint(call, receive))
        call.body = await read_body(receive)
        if route.hot:
            return await self._hot.run(route, call)
        return settle(await self._orm.run(route.endpoint, call))

    async def _no_route(self, call: Call) -> ProtocolError:
        error = guard.no_route(self._table, call.method, call.path)
        if error.status == 404:
            await self._orm.run(self._note_unknown, call)
        return error

    def _check_host(self, host: str) -> None:
        if host in self._good_hosts:
            return
        domain, _port = split_domain_port(host)
        if not domain or not validate_host(domain, settings.ALLOWED_HOSTS):
            raise ProtocolError("BAD_REQUEST", "This server does not answer to that host name.")
        if len(self._good_hosts) < MAX_KNOWN_HOSTS:
            self._good_hosts.add(host)

    async def _send(
        self, answer: Answer | FileAnswer, call: Call, receive: Receive, send: Send
    ) -> None:
        is_head = call.method == "HEAD"
        if isinstance(answer, Answer):
            await send_answer(send, answer, call.request_id, is_head=is_head)
        elif is_head:
            await send_head(send, answer, call.request_id)
        else:
            await send_file(send, receive, answer, call.request_id, self._files.run)


def _must_be_redirected(scope: Message) -> bool:
    """Whether Django's middleware has to send this request to HTTPS."""
    if not settings.SECURE_SSL_REDIRECT or scope.get("scheme") == "https":
        return False
    trusted = settings.SECURE_PROXY_SSL_HEADER
    if trusted is None:
        return True
    name = trusted[0].removeprefix("HTTP_").replace("_", "-").lower()
    return headers_of(scope).get(name) != trusted[1]


def _log(call: Call, status: int, took_s: float) -> None:
    if settings.ACCESS_LOG or status >= 500 or took_s > SLOW_S:
        access_log.log(
            logging.WARNING if status >= 500 else logging.INFO,
            "%s %s %d %.1f ms %s",
            call.method,
            ascii(call.path)[:300],
            status,
            took_s * 1000,
            call.known_caller.username if call.known_caller is not None else "-",
        )
