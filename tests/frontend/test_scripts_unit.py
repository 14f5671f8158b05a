"""Runs the browser modules' own unit tests, so that one command tests everything."""

import shutil
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent
NODE = shutil.which("node")


@pytest.mark.skipif(NODE is None, reason="node is not installed")
def test_browser_modules_pass_their_unit_tests() -> None:
    assert NODE is not None
    files = sorted(str(path) for path in FOLDER.glob("*.test.mjs"))
    assert files
    result = subprocess.run(
        [NODE, "--test", *files], capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 0, result.stdout[-4000:]
