"""An import that is killed again and again, each time started anew, ends with everything once."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.importing_help import RUN, make_database
from tests.probe.product import ROOT

N_RUNS = 60
N_POINTS = 2000
ADMINISTRATOR = """
from platform_site.accounts.models import User
User.objects.create_superuser("root", "root@example.org", "correct horse battery")
"""


@pytest.mark.chaos
def test_killed_import_is_finished_by_starting_it_again(tmp_path: Path) -> None:
    rows = ",".join(
        f"('{number:032x}', 'r', '', 'FINISHED', {number}, 1, NULL, 'active', '', 7)"
        for number in range(1, N_RUNS)
    )
    points = (
        f"WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {N_POINTS - 1})"
        " INSERT INTO metrics SELECT 'loss', 1.0 / (i + 1), i, run_uuid, i, 0 FROM n, runs"
        f" WHERE run_uuid <> '{RUN}'"
    )
    url = make_database(tmp_path / "mlflow.db", f"INSERT INTO runs VALUES {rows}; {points};")
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    env = {**os.environ, "DATA_DIR": str(data), "DJANGO_SETTINGS_MODULE": "platform_site.settings"}
    env.pop("DATABASE_URL", None)

    def manage(*arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "manage.py", *arguments], cwd=ROOT, env=env, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    assert manage("migrate", "-v0").wait(120) == 0
    assert manage("shell", "-v0", "-c", ADMINISTRATOR).wait(60) == 0
    command = ("import_mlflow", url, "--project", "default", "--user", "root")
    kills = 0
    for _ in range(6):
        importer = manage(*command)
        # Start-up takes about two seconds; somewhere in the work after it.
        time.sleep(random.uniform(1.5, 4))
        if importer.poll() is None:
            importer.kill()
            kills += 1
        importer.communicate(timeout=30)
    assert kills, "the machine is too fast for this test"
    report, _ = manage(*command).communicate(timeout=300)
    assert report.endswith("Everything is here.\n"), report
    verified = manage(*command, "--verify-only")
    report, _ = verified.communicate(timeout=300)
    assert verified.returncode == 0
    assert f"{(N_RUNS - 1) * N_POINTS + 20:,}" in report
