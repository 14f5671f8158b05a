"""Points that answer over a connection: database, migrations, clock, Redis, own checks."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import redis
from django.conf import settings
from django.core import checks
from django.db import DatabaseError, connection

from monitoring.models import HostSample
from platform_site.core.clock import now
from platform_site.jobs.models import Job
from platform_site.settings.databases import BUSY_TIMEOUT_S
from platform_site.supervisor.doctor.findings import Finding, failed, ok, skipped, warning
from platform_site.supervisor.migrations import unapplied_migrations

SQLITE_EXPECTED: dict[str, tuple[Any, str]] = {
    "journal_mode": ("wal", "readers and the writer would block one another"),
    "synchronous": (2, "a power cut could undo acknowledged writes"),
    "foreign_keys": (1, "lineage would not be protected"),
    "busy_timeout": (BUSY_TIMEOUT_S * 1000, "a short wait would become an error"),
}
POSTGRESQL_OLDEST = 130000
CLOCK_TOLERANCE = timedelta(seconds=5)
REDIS_TIMEOUT_S = 3.0


def database() -> Iterator[Finding]:
    """The database answers, with the settings that durability and concurrency rest on."""
    try:
        connection.ensure_connection()
    except DatabaseError as error:
        yield failed("database", str(error).strip(), "check DATABASE_URL and that the server runs")
        return
    if connection.vendor == "sqlite":
        yield from _sqlite()
    else:
        yield from _postgresql()
    yield from _migrations()


def _sqlite() -> Iterator[Finding]:
    for name, (wanted, why) in SQLITE_EXPECTED.items():
        found = _value(f"PRAGMA {name}")
        if found == wanted:
            yield ok(f"sqlite {name}", str(found))
        else:
            yield failed(
                f"sqlite {name}", f"{found}, not {wanted}: {why}", "see settings/databases.py"
            )
    mode = settings.DATABASES["default"]["OPTIONS"].get("transaction_mode")
    if mode == "IMMEDIATE":
        yield ok("sqlite transactions", "IMMEDIATE")
    else:
        yield failed("sqlite transactions", f"{mode}: writers would collide", "set IMMEDIATE")


def _postgresql() -> Iterator[Finding]:
    number = int(_value("SHOW server_version_num"))
    name = str(_value("SHOW server_version"))
    if number < POSTGRESQL_OLDEST:
        yield failed("postgresql", f"version {name}", "use PostgreSQL 13 or newer")
    else:
        yield ok("postgresql", f"version {name}")
    timeout = str(_value("SHOW statement_timeout"))
    if timeout == "0":
        yield failed("postgresql statement_timeout", "off", "see settings/databases.py")
    else:
        yield ok("postgresql statement_timeout", timeout)
    if settings.DATABASES["default"]["CONN_MAX_AGE"] != 0:
        yield failed("postgresql connections", "persistent under ASGI leak", "set CONN_MAX_AGE 0")


def _value(sql: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        row = cursor.fetchone()
    return None if row is None else row[0]


def _migrations() -> Iterator[Finding]:
    missing = unapplied_migrations()
    if missing:
        names = ", ".join(f"{app}.{name}" for app, name in missing[:5])
        yield failed("migrations", f"{len(missing)} not applied: {names}", "manage.py migrate")
    else:
        yield ok("migrations", "all applied")


def clock() -> Iterator[Finding]:
    """The clock agrees with the database's and has not gone back behind what was recorded."""
    try:
        skew = abs(now() - _database_time())
        newest = _newest_record()
    except DatabaseError as error:
        yield skipped("clock", f"the database could not be asked: {str(error).strip()}")
        return
    advice = "synchronise the clock (for example with systemd-timesyncd or chrony)"
    if skew > CLOCK_TOLERANCE:
        yield failed("clock", f"{skew.total_seconds():.0f} s off the database's clock", advice)
    elif newest is not None and newest > now() + CLOCK_TOLERANCE:
        yield failed(
            "clock", f"behind the newest record, made at {newest:%Y-%m-%d %H:%M:%S}", advice
        )
    else:
        yield ok("clock", f"{now():%Y-%m-%d %H:%M:%S} UTC")


def _database_time() -> datetime:
    if connection.vendor == "sqlite":
        return datetime.fromtimestamp(int(_value("SELECT strftime('%s','now')")), tz=UTC)
    moment: datetime = _value("SELECT now()")
    return moment


def _newest_record() -> datetime | None:
    samples = HostSample.objects.order_by("-at").values_list("at", flat=True)
    jobs = Job.objects.order_by("-id").values_list("queued_at", flat=True)
    moments = [*samples[:1], *jobs[:1]]
    return max(moments, default=None)


def redis_server() -> Iterator[Finding]:
    """Redis answers, where one is configured, and keeps what it was given."""
    if not settings.REDIS_URL:
        yield skipped("redis", "not configured")
        return
    client = redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=REDIS_TIMEOUT_S, socket_connect_timeout=REDIS_TIMEOUT_S
    )
    try:
        server: Any = client.info("server")
        memory: Any = client.info("memory")
    except redis.RedisError as error:
        yield failed("redis", str(error), "check REDIS_URL and that the server runs")
        return
    finally:
        client.close()
    policy = memory.get("maxmemory_policy", "unknown")
    seen = f"version {server.get('redis_version', 'unknown')}, {policy}"
    if memory.get("maxmemory") and policy != "noeviction":
        yield warning("redis", seen, "set maxmemory-policy noeviction")
    else:
        yield ok("redis", seen)


def own_checks() -> Iterator[Finding]:
    """Django's start-up checks, ours among them; those for servers behind TLS if it is one."""
    messages = checks.run_checks(include_deployment_checks=settings.BEHIND_TLS)
    for message in messages:
        if message.is_silenced():
            continue
        name = f"check {message.id}"
        if message.is_serious():
            yield failed(name, str(message.msg), message.hint or "see the message")
        else:
            yield warning(name, str(message.msg), message.hint or "see the message")
    if not messages:
        yield ok("start-up checks", "no complaints")
