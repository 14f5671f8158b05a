"""Start-up checks of our own: routes, data directory, known keys."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register
from django.core.exceptions import ImproperlyConfigured

from platform_site.core.access_rules import refuse_undeclared_routes

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})


@register()
def check_routes(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Every route declares who may call it."""
    try:
        refuse_undeclared_routes()
    except ImproperlyConfigured as error:
        return [Error(str(error), id="assay.E001")]
    return []


@register()
def check_hosts(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Nobody serves every host name, and a public address needs named hosts and no debug mode."""
    problems: list[CheckMessage] = []
    if any(host.startswith("*") for host in settings.ALLOWED_HOSTS):
        problems.append(Error("ALLOWED_HOSTS must name hosts, not '*'.", id="assay.E002"))
    if settings.HOST not in LOOPBACK_HOSTS and settings.DEBUG:
        problems.append(Error("DEBUG is on while HOST is not loopback.", id="assay.E003"))
    return problems


@register()
def check_data_dir(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """The data directory is the owner's alone."""
    mode = settings.DATA_DIR.stat().st_mode & 0o077
    if mode:
        return [
            Warning(
                f"DATA_DIR {settings.DATA_DIR} is open to other users (mode {mode:03o}).",
                id="assay.W001",
            )
        ]
    return []


@register()
def check_queue(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """A queue that redelivers would run a job twice."""
    cluster: dict[str, Any] = settings.Q_CLUSTER
    if cluster["retry"] <= cluster["timeout"]:
        return [Error("Q_CLUSTER retry must exceed timeout.", id="assay.E004")]
    return []
