"""The servers that are compared, each started on a fresh database and ended as a process tree."""

import os
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

import psutil

from tests.probe.product import ROOT, Product

TOKEN_SCRIPT = """
from platform_site.accounts.models import ApiToken, Membership, Project
from tests.people import person
alice = person("alice")
project = Project.objects.order_by("pk").first()
Membership.objects.get_or_create(project=project, user=alice, defaults={"role": "editor"})
_, secret = ApiToken.objects.create(user=alice, name="benchmark", scope="write")
print("TOKEN=" + secret)
"""


class Tree:
    """A process and everything below it."""

    def __init__(self, pid: int) -> None:
        self.root = psutil.Process(pid)

    def members(self) -> list[psutil.Process]:
        with suppress(psutil.NoSuchProcess):
            return [self.root, *self.root.children(recursive=True)]
        return []

    def cpu_s(self) -> float:
        total = 0.0
        for process in self.members():
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system
        return total

    def memory_mib(self) -> float:
        """Return the memory of all, pages shared between them counted once."""
        total = 0
        for process in self.members():
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                total += process.memory_full_info().pss
        return total / 2**20

    def end(self) -> None:
        members = self.members()
        for process in members:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(members, timeout=10)


class Ours:
    """This product, as `make run` starts it."""

    name = "assay"
    rounds = 1.0

    def __init__(self, folder: Path, port: int) -> None:
        self.product = Product(folder / "data", port)
        self.base_url = f"http://127.0.0.1:{port}"
        self.product.wait_ready(within_s=180)
        self.product.wait_whole(within_s=120)
        self.token: str | None = new_token(self.product)
        self.tree = Tree(self.product.pid)

    def web(self) -> Tree:
        """Return the web process alone."""
        return Tree(self.product.children()["web"])

    def close(self) -> None:
        self.product.stop()
        self.product.close()


def new_token(product: Product) -> str:
    """Return a token that may write in the default project."""
    said = subprocess.run(
        [sys.executable, "manage.py", "shell", "-v0", "-c", TOKEN_SCRIPT],
        cwd=ROOT, env=product.env, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    return said.rpartition("TOKEN=")[2].strip()


class Other:
    """A server that is started by a command and asked without a token."""

    name = ""
    rounds = 1.0
    token = None

    def __init__(self, command: list[str], folder: Path, port: int) -> None:
        self.base_url = f"http://127.0.0.1:{port}"
        self.log = folder / f"{self.name}.log"
        folder.mkdir(parents=True, exist_ok=True)
        env = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=folder, stdout=log, stderr=log, env=env, start_new_session=True
            )
        self.tree = Tree(self.process.pid)
        self._wait()

    def _wait(self, within_s: float = 120.0) -> None:
        deadline = time.perf_counter() + within_s
        while time.perf_counter() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.name} ended:\n{self.log.read_text()[-2000:]}")
            with suppress(OSError), urllib.request.urlopen(f"{self.base_url}/health", timeout=2):
                return
            time.sleep(0.1)
        raise RuntimeError(f"{self.name} does not answer")

    def close(self) -> None:
        self.tree.end()
        self.process.wait(10)


class MLflow(Other):
    """MLflow's own server with its default number of workers, on SQLite."""

    name = "mlflow"
    rounds = 0.15  # a slow server gets fewer requests, so that a pass stays short

    def __init__(self, python: str, folder: Path, port: int) -> None:
        command = [
            python, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port),
            "--backend-store-uri", f"sqlite:///{folder}/mlflow.db",
        ]  # fmt: skip
        super().__init__(command, folder, port)


class FastTrackML(Other):
    """FastTrackML with its defaults, on SQLite."""

    name = "fasttrackml"

    def __init__(self, program: str, folder: Path, port: int) -> None:
        command = [
            program, "server", "--listen-address", f"127.0.0.1:{port}", "--database-uri",
            f"sqlite://{folder}/fasttrackml.db", "--default-artifact-root", str(folder / "artifacts"),
            "--log-level", "error",
        ]  # fmt: skip
        super().__init__(command, folder, port)
