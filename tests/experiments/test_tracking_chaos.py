"""Writers and compactors killed in the middle: what was acknowledged is there, once."""

import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.experiments.tracking_probe import POINTS, THREADS

pytestmark = [pytest.mark.slow, pytest.mark.chaos, pytest.mark.timeout(400)]
ROOT = Path(__file__).resolve().parents[2]
POSTGRES = os.environ.get("TEST_POSTGRES_URL", "")
NAME = "assay_tracking_chaos"
ROUNDS = 24


@pytest.fixture(params=["sqlite", "postgresql"])
def environment(request, tmp_path):
    env = {k: v for k, v in os.environ.items() if k not in {"DATABASE_URL", "REDIS_URL"}}
    env |= {"DATA_DIR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "tests.live_settings"}
    if request.param == "sqlite":
        yield env
        return
    if not POSTGRES:
        pytest.skip("TEST_POSTGRES_URL is not set")
    with psycopg.connect(POSTGRES, autocommit=True) as server:
        server.execute(f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)")
        server.execute(f"CREATE DATABASE {NAME}")
        yield env | {"DATABASE_URL": urlsplit(POSTGRES)._replace(path=f"/{NAME}").geturl()}
        server.execute(f"DROP DATABASE {NAME} WITH (FORCE)")


def test_every_acknowledged_point_survives_every_kill_once(environment):
    done = subprocess.run(
        [sys.executable, "-m", "tests.experiments.tracking_probe", str(ROUNDS), "7"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)
    points = {tuple(point) for point in found["points"]}
    expected = {
        (step * POINTS + n, number * THREADS + thread)
        for number, thread, step in found["acknowledged"]
        for n in range(POINTS)
    }
    assert len(found["acknowledged"]) >= ROUNDS
    assert found["blocks_before"] > 0
    assert expected <= points
    assert len(found["points"]) == len(points) == found["stored"]
    assert found["same"]
    assert found["tails"] == 0
