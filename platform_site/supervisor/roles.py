"""What the children do: web server, queue cluster, sampler; and the preparation before them."""

import gc
import io
import os
import signal
import socket
import sys
from importlib import import_module
from typing import Any, NoReturn

from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connections
from django.urls import get_resolver

from platform_site.core.leaving import leave
from platform_site.supervisor.migrations import unapplied_migrations

SHUTDOWN_S = 2
"""Open event streams get this long; their clients come back by number."""
WEBSOCKET_MESSAGE_BYTES = 64 * 1024
PING_S = 20.0
# Twelve percent of the CPU of a batch of 1,000 points beside Python's 700 (2026-11-20).
GARBAGE_THRESHOLDS = (50_000, 20, 100)
KEEP_ALIVE_S = 75
"""Programs that log now and then keep their connection; a short wait would often cut it under them."""


def prepare(sign_in_path_of: str, base_url: str) -> None:
    """Migrate when needed, run the start-up checks, print the first administrator's link.

    Args:
        sign_in_path_of: dotted path of a function that returns the one-time path, or None.
        base_url: where the path will be served, without a trailing slash.
    """
    try:
        _prepare(sign_in_path_of, base_url)
    except DatabaseError as error:
        _refuse(f"The database does not answer as it should: {str(error).strip()}")
    except CommandError as error:  # a failed start-up check names what is wrong
        _refuse(str(error))
    finally:
        connections.close_all()


def _prepare(sign_in_path_of: str, base_url: str) -> None:
    missing = unapplied_migrations()
    if missing:
        print(f"Preparing the database ({len(missing)} migrations) …", flush=True)  # noqa: T201
        call_command("migrate", interactive=False, verbosity=0)
    call_command("check", stdout=io.StringIO())
    module, _, name = sign_in_path_of.rpartition(".")
    path = getattr(import_module(module), name)()
    if path is not None:
        print(  # noqa: T201
            f"First administrator: open {base_url}{path} (works once)", flush=True
        )


def _refuse(why: str) -> NoReturn:
    print(why, file=sys.stderr, flush=True)  # noqa: T201
    raise SystemExit(1)


def preload() -> None:
    """Import all that the children share, so that forks start at once and share memory."""
    import_module(settings.ASGI_APPLICATION.rpartition(".")[0])
    _ = get_resolver().url_patterns
    for name in ("django_q.cluster", "django_q.models", "psutil"):
        import_module(name)
    if settings.ASGI_SERVER == "uvicorn":
        for name in (
            "uvicorn",
            "uvloop",
            "uvicorn.lifespan.on",
            "uvicorn.protocols.http.httptools_impl",
            "uvicorn.protocols.websockets.websockets_sansio_impl",
        ):
            import_module(name)


def run_web(listener: socket.socket) -> None:
    """Serve the ASGI application on the supervisor's socket until a stop signal."""
    # What was loaded stays for ever; a batch of a thousand points must not start a collection.
    gc.freeze()
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    try:
        if settings.ASGI_SERVER == "daphne":
            _run_daphne(listener)
        else:
            _run_uvicorn(listener)
    finally:
        leave()


def _application_path() -> str:
    module, _, name = settings.ASGI_APPLICATION.rpartition(".")
    return f"{module}:{name}"


def _run_uvicorn(listener: socket.socket) -> None:
    import uvicorn

    config = uvicorn.Config(
        _application_path(),
        loop="uvloop",
        http="httptools",
        ws="websockets-sansio",
        ws_max_size=WEBSOCKET_MESSAGE_BYTES,
        ws_ping_interval=PING_S,
        ws_ping_timeout=PING_S,
        ws_per_message_deflate=False,
        lifespan="auto",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=SHUTDOWN_S,
    )
    uvicorn.Server(config).run(sockets=[listener])


def _run_daphne(listener: socket.socket) -> None:
    from daphne.endpoints import build_endpoint_description_strings

    from platform_site.supervisor.daphne_server import FrugalServer

    module, _, name = settings.ASGI_APPLICATION.rpartition(".")
    FrugalServer(
        application=getattr(import_module(module), name),
        endpoints=build_endpoint_description_strings(file_descriptor=listener.fileno()),
        websocket_timeout=-1,
        application_close_timeout=SHUTDOWN_S,
        server_name="",
    ).run()


def run_cluster() -> None:
    """Run the queue's workers; ends when its sentinel does.

    On SIGTERM the workers hear of it too (django-q2 would let them work on without limit): one
    that supervises a job has its state saved, then all leave by the queue's own way. SIGUSR2
    carries the word, because the other processes of the cluster can ignore it.
    """
    from django_q.cluster import Cluster
    from django_q.signals import post_spawn

    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    post_spawn.connect(_listen_in_worker, weak=False)
    cluster = Cluster()

    def leave(number: int, frame: Any) -> None:
        os.killpg(0, signal.SIGUSR2)
        cluster.sig_handler(number, frame)

    signal.signal(signal.SIGTERM, leave)
    cluster.start()
    cluster.sentinel.join()
    if cluster.sentinel.exitcode:
        raise SystemExit(1)


def _listen_in_worker(**_: Any) -> None:
    """Let a worker outlive SIGTERM until the queue ends it, unless its job says otherwise."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGUSR2, lambda *_: os.kill(os.getpid(), signal.SIGTERM))


def run_sampler() -> None:
    """Sample the machine and do the small periodic chores until a stop signal."""
    from monitoring.sampling import run

    run(supervisor_pid=os.getppid())
