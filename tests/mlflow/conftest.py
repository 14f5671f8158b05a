"""One running product for all tests with real clients, and a way to run a script with a client.

MLFLOW3_PYTHON and MLFLOW2_PYTHON name pythons with the current and with an old client; what is not
named is skipped. Scripts lie in `scripts/`; each prints one line of JSON last.
"""

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from benchmarks.tracking.client import Connection
from benchmarks.tracking.servers import new_token
from tests.probe.product import Product

SCRIPTS = Path(__file__).parent / "scripts"
CLIENTS = {"3": "MLFLOW3_PYTHON", "2": "MLFLOW2_PYTHON"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass
class Server:
    """The running product and a token that may write in its default project."""

    product: Product
    url: str
    token: str

    def call(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """Return the answer of a plain request, apart from any client."""
        connection = Connection(self.url, self.token)
        try:
            return connection.json(method, path, body)
        finally:
            connection.close()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    if not any(os.environ.get(name) for name in CLIENTS.values()):
        pytest.skip("neither MLFLOW3_PYTHON nor MLFLOW2_PYTHON is set")
    port = free_port()
    data = tmp_path_factory.mktemp("product") / "data"
    product = Product(data, port, DJANGO_SETTINGS_MODULE="platform_site.settings")
    try:
        product.wait_ready(within_s=180)
        yield Server(product, f"http://127.0.0.1:{port}", new_token(product))
    finally:
        product.close()


@dataclass
class Client:
    """A real client of one release, working with a server in an empty folder."""

    release: str
    python: str
    folder: Path
    url: str
    token: str

    def run(self, script: str, *arguments: str, **env: str) -> dict[str, Any]:
        """Run a script; return the JSON of its last line."""
        done = subprocess.run(
            [self.python, "-W", "ignore", str(SCRIPTS / script), *arguments],
            cwd=self.folder, env=self.env(**env), capture_output=True, text=True, timeout=280,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-6000:]}"
        return json.loads(done.stdout.strip().rpartition("\n")[2])

    def env(self, **more: str) -> dict[str, str]:
        kept = ("PATH", "HOME", "LANG", "TMPDIR")
        return {
            **{name: os.environ[name] for name in kept if name in os.environ},
            "MLFLOW_TRACKING_URI": self.url,
            "MLFLOW_TRACKING_TOKEN": self.token,
            # A refusal must be seen, not repeated for minutes.
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
            "GIT_PYTHON_REFRESH": "quiet",
            "PYTHONPATH": str(SCRIPTS),
            **more,
        }


@pytest.fixture(params=sorted(CLIENTS, reverse=True))
def client(request: pytest.FixtureRequest, server: Server, tmp_path: Path) -> Client:
    """A client of each release that is there."""
    return client_of(request.param, server, tmp_path)


@pytest.fixture
def client3(server: Server, tmp_path: Path) -> Client:
    """The client of the current release."""
    return client_of("3", server, tmp_path)


def client_of(release: str, server: Server, folder: Path) -> Client:
    python = os.environ.get(CLIENTS[release])
    if not python:
        pytest.skip(f"{CLIENTS[release]} is not set")
    return Client(release, python, folder, server.url, server.token)
