"""The web process and the supervisor stay light: what they import, in a fresh interpreter."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEAVY = {"numpy", "pandas", "scipy", "sklearn", "pyarrow", "shap", "skops", "pyvo", "astropy", "joblib", "numba"}  # fmt: skip
LOOK = """
import json, sys, threading
import django
from django.conf import settings
django.setup()
from platform_site.supervisor.roles import preload
preload()
from django.db import connections
print(json.dumps({
    "modules": sorted({name.partition(".")[0] for name in sys.modules}),
    "threads": [one.name for one in threading.enumerate()],
    "connections": [one.alias for one in connections.all(initialized_only=True) if one.connection],
}))
"""


@pytest.fixture(scope="module")
def preloaded(tmp_path_factory):
    """What a supervisor holds when it forks: every url, consumer and server module imported."""
    done = subprocess.run(
        [sys.executable, "-c", LOOK],
        cwd=ROOT,
        env={
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": str(ROOT),
            "DJANGO_SETTINGS_MODULE": "platform_site.settings",
            "DATA_DIR": str(tmp_path_factory.mktemp("light") / "data"),
        },
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_no_heavy_library_is_imported_by_pages_api_and_consumers(preloaded):
    assert HEAVY.isdisjoint(preloaded["modules"])
    assert {"django", "channels", "uvicorn", "experiments", "registry"} <= set(preloaded["modules"])


def test_twisted_is_not_imported_where_daphne_does_not_serve(preloaded):
    assert {"daphne", "twisted", "autobahn"}.isdisjoint(preloaded["modules"])


def test_nothing_starts_a_thread_before_the_children_are_forked(preloaded):
    assert preloaded["threads"] == ["MainThread"]


def test_no_database_connection_is_open_before_the_children_are_forked(preloaded):
    assert preloaded["connections"] == []
