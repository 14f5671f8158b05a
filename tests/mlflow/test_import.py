"""Importing what real clients and servers wrote, and opening what we export with the real client."""

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from benchmarks.tracking.servers import Tree
from tests.mlflow.conftest import CLIENTS, Client, client_of, free_port
from tests.probe.product import ROOT

pytestmark = [pytest.mark.mlflow, pytest.mark.timeout(400)]
ADMINISTRATOR = """
from platform_site.accounts.models import User
User.objects.create_superuser("root", "root@example.org", "correct horse battery")
"""


class Installation:
    """A product of its own that nobody has started: commands are enough."""

    def __init__(self, data: Path) -> None:
        data.mkdir(mode=0o700)
        kept = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
        self.env = {
            **kept,
            "DATA_DIR": str(data),
            "DJANGO_SETTINGS_MODULE": "platform_site.settings",
        }
        self.manage("migrate", "-v0")
        self.manage("shell", "-v0", "-c", ADMINISTRATOR)

    def manage(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments], cwd=ROOT, env=self.env, text=True,
            capture_output=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def bring(self, source: str, *options: str) -> str:
        return self.manage("import_mlflow", source, "--project", "default", *options)


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return Installation(tmp_path / "data")


@pytest.fixture(params=sorted(CLIENTS, reverse=True))
def writer(request: pytest.FixtureRequest, tmp_path: Path) -> Client:
    """A client that writes to a store of its own, without any server."""
    python = os.environ.get(CLIENTS[request.param])
    if not python:
        pytest.skip(f"{CLIENTS[request.param]} is not set")
    folder = tmp_path / "client"
    folder.mkdir()
    return Client(request.param, python, folder, "", "")


def numbers(report: str) -> dict[str, str]:
    """Return kind → how many were written."""
    lines = report.splitlines()[1:]
    return {line[:20].strip(): line[44:56].strip() for line in lines if line[56:58] == "  "}


def test_database_that_mlflow_wrote(writer: Client, installation: Installation) -> None:
    url = f"sqlite:///{writer.folder}/mlflow.db"
    writer.run("fill_store.py", MLFLOW_TRACKING_URI=url)
    report = installation.bring(url)
    assert report.endswith("Everything is here.\n")
    assert numbers(report)["runs"] == "5"
    assert numbers(report)["points"] == "2,506"
    assert set(numbers(installation.bring(url)).values()) == {"0"}


def test_folder_that_mlflow_wrote_and_back(
    writer: Client, installation: Installation, tmp_path: Path
) -> None:
    folder = writer.folder / "mlruns"
    store = {"MLFLOW_TRACKING_URI": folder.as_uri(), "MLFLOW_ALLOW_FILE_STORE": "true"}
    writer.run("fill_store.py", **store)
    assert installation.bring(str(folder)).endswith("Everything is here.\n")
    out = tmp_path / "out"
    installation.manage("export_mlruns", str(out), "--project", "default")
    store["MLFLOW_TRACKING_URI"] = out.as_uri()
    seen = writer.run("read_store.py", **store)
    assert seen["echo"] == [1.0, 2.0]
    assert seen["loss"] == 2500
    assert seen["runs"] == 5
    assert seen["files"] == 300 * 256


@pytest.fixture
def running(writer: Client) -> Iterator[str]:
    """The address of MLflow's own server, which keeps files for its clients."""
    port = free_port()
    with (writer.folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [writer.python, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port),
             "--workers", "1", "--backend-store-uri", f"sqlite:///{writer.folder}/server.db"],
            cwd=writer.folder, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    tree = Tree(process.pid)
    try:
        deadline = time.monotonic() + 200
        while True:
            said = (writer.folder / "server.log").read_text()
            assert process.poll() is None, said
            assert time.monotonic() < deadline, said
            with (
                suppress(OSError),
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2),
            ):
                break
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        tree.end()
        process.wait(10)


def test_running_server_and_its_database_say_the_same(
    writer: Client, running: str, installation: Installation
) -> None:
    writer.run("fill_store.py", MLFLOW_TRACKING_URI=running)
    assert installation.bring(running).endswith("Everything is here.\n")
    # The same through the other door: nothing new, nothing different.
    url = f"sqlite:///{writer.folder}/server.db"
    report = installation.bring(url)
    assert report.endswith("Everything is here.\n")
    assert set(numbers(report).values()) == {"0"}


def test_our_own_server_can_be_imported_from(
    server, installation: Installation, tmp_path: Path
) -> None:
    client = client_of("3", server, tmp_path)
    client.run("fill_store.py")
    installation.env["MLFLOW_TRACKING_TOKEN"] = server.token
    assert installation.bring(server.url).endswith("Everything is here.\n")
