"""What wakes the tailer of another process: each adapter alone, without the safety look.

PostgreSQL and Redis are tried where TEST_POSTGRES_URL and TEST_REDIS_URL name a server on which
databases may be made.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.chaos]
ROOT = Path(__file__).resolve().parents[2]
POSTGRES, REDIS = os.environ.get("TEST_POSTGRES_URL", ""), os.environ.get("TEST_REDIS_URL", "")
NAME = "assay_events"
EVENTS = 60
needs_postgres = pytest.mark.skipif(not POSTGRES, reason="TEST_POSTGRES_URL is not set")
needs_redis = pytest.mark.skipif(not REDIS, reason="TEST_REDIS_URL is not set")


@pytest.fixture
def postgres():
    with psycopg.connect(POSTGRES, autocommit=True) as server:
        server.execute(f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)")
        server.execute(f"CREATE DATABASE {NAME}")
        yield server
        server.execute(f"DROP DATABASE {NAME} WITH (FORCE)")


@pytest.fixture
def environment():
    with tempfile.TemporaryDirectory(prefix="assay-wake-") as data_dir:
        kept = {k: v for k, v in os.environ.items() if k not in {"DATABASE_URL", "REDIS_URL"}}
        yield {**kept, "DATA_DIR": data_dir, "DJANGO_SETTINGS_MODULE": "tests.live_settings"}


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "tests.live_app", *(str(argument) for argument in arguments)]


def numbers_that_arrive(environment: dict[str, str], between=lambda: None) -> list[int]:
    """Follow in one process, publish twice from others, and return what the follower saw."""
    run = {"env": environment, "cwd": ROOT}
    subprocess.run(command("prepare"), check=True, capture_output=True, **run)
    following = subprocess.Popen(
        command("follow", EVENTS), stdout=subprocess.PIPE, text=True, **run
    )
    try:
        assert following.stdout.readline() == "following\n"
        subprocess.run(command("write", EVENTS // 2, 5, 0), check=True, timeout=60, **run)
        between()
        subprocess.run(command("write", EVENTS // 2, 5, 0), check=True, timeout=60, **run)
        output, _ = following.communicate(timeout=60)
    finally:
        following.kill()
    return [int(number) for number in output.split()]


def test_sqlite_sees_the_commits_of_other_processes(environment):
    assert numbers_that_arrive(environment) == list(range(1, EVENTS + 1))


@needs_postgres
@pytest.mark.parametrize("mode", ["auto", "poll"])
def test_postgres_wakes_and_survives_the_loss_of_every_connection(environment, postgres, mode):
    url = urlsplit(POSTGRES)._replace(path=f"/{NAME}").geturl()

    def lose() -> None:
        lost = postgres.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = %s",
            [NAME],
        ).fetchone()
        assert lost[0] >= 1

    environment |= {"DATABASE_URL": url, "LIVE_WAKE": mode}
    assert numbers_that_arrive(environment, lose) == list(range(1, EVENTS + 1))


@needs_redis
def test_the_channel_layer_wakes_where_nothing_else_reaches(environment):
    environment |= {"REDIS_URL": REDIS, "LIVE_WAKE": "channel-layer"}
    assert numbers_that_arrive(environment) == list(range(1, EVENTS + 1))
