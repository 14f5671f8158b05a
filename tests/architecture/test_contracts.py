"""Who may import whom: the contracts of pyproject.toml are kept, and they bite."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def lint_imports(folder):
    return subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache", "--no-logo"],
        cwd=folder, env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(folder)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_all_import_contracts_are_kept():
    done = lint_imports(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


PACKAGES = ("platform_site", "experiments", "registry", "assets", "monitoring")
PLANTED = {
    "platform_site/core/clock.py": "experiments.models.runs",
    "platform_site/events/publish.py": "platform_site.jobs.models",
    "platform_site/jobs/claims.py": "platform_site.accounts.models.users",
    "assets/storage.py": "monitoring.models",
    "experiments/models/runs.py": "registry.models.registered",
    "monitoring/sampling.py": "platform_site.web.health",
    "experiments/data/specs.py": "django.conf",
    "experiments/training/params.py": "platform_site.core.clock",
    "platform_site/web/health.py": "numpy",
    "experiments/models/datasets.py": "pandas",
}


@pytest.fixture(scope="module")
def report_on_planted_violations(tmp_path_factory):
    """What the tool says about a copy of the sources with one forbidden import per module above."""
    folder = tmp_path_factory.mktemp("planted")
    for package in PACKAGES:
        for source in (ROOT / package).rglob("*.py"):
            target = folder / source.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
    (folder / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    for module, forbidden in PLANTED.items():
        path = folder / module
        # Inside a function: hiding an import does not help.
        path.write_text(path.read_text() + f"\n\ndef late():\n    import {forbidden}\n")
    done = lint_imports(folder)
    assert done.returncode == 1
    return done.stdout


@pytest.mark.parametrize(("module", "forbidden"), PLANTED.items())
def test_a_planted_violation_is_caught(report_on_planted_violations, module, forbidden):
    importer = module.removesuffix(".py").replace("/", ".")
    package = forbidden.partition(".")[0]
    imported = forbidden if package in PACKAGES else package  # outside ones count as a whole
    seen = re.search(
        rf"{re.escape(importer)} -> {re.escape(imported)}\b",
        report_on_planted_violations,
    )
    assert seen, report_on_planted_violations
