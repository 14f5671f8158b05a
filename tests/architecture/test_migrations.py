"""Models and migrations agree; data steps know no app code; every migration has a name."""

import ast
import re
from pathlib import Path

import pytest
from django.core.management import call_command

ROOT = Path(__file__).resolve().parents[2]
OURS = ("platform_site", "experiments", "registry", "assets", "monitoring")
MIGRATIONS = [
    path for package in OURS for path in sorted((ROOT / package).rglob("migrations/[0-9]*.py"))
]


def test_no_migration_is_missing(db):
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def test_there_are_migrations_of_every_app():
    assert len(MIGRATIONS) >= 7


@pytest.mark.parametrize("path", MIGRATIONS, ids=lambda path: f"{path.parts[-3]}.{path.stem}")
def test_a_migration_imports_no_app_code(path):
    imported = {
        name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
        )
    }
    # Field defaults and managers may be named by dotted path; a data step must not call services.
    ours = {name for name in imported if name.split(".")[0] in OURS}
    assert not {name for name in ours if re.search(r"\.(services|tasks|selectors|api|web)\b", name)}


@pytest.mark.parametrize("path", MIGRATIONS, ids=lambda path: f"{path.parts[-3]}.{path.stem}")
def test_a_migration_has_a_name_that_says_something(path):
    assert not re.search(r"_auto_\d{8}", path.stem)
