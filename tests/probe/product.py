"""The whole product under `manage.py up`, as a person starts it, for tests and benchmarks."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
OURS = ("DATABASE_URL", "REDIS_URL", "HOST", "ALLOWED_HOSTS", "BEHIND_TLS", "ASGI_SERVER")


class Product:
    """One start of the product on its own data directory and port."""

    def __init__(self, data_dir: Path, port: int, **env: str) -> None:
        self.port = port
        self.data_dir = data_dir
        clean = {key: value for key, value in os.environ.items() if key not in OURS}
        self.env = {
            **clean, "DATA_DIR": str(data_dir), "PORT": str(port), "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1", **env,
        }  # fmt: skip
        self.log = data_dir.parent / f"up-{port}.log"
        self.began_s = time.perf_counter()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "up"],
                cwd=ROOT, env=self.env, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    @property
    def pid(self) -> int:
        return self.process.pid

    def get(self, path: str, timeout_s: float = 2.0) -> int:
        """Return the status of a GET."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout_s)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        finally:
            connection.close()

    def wait_ready(self, within_s: float = 60.0) -> float:
        """Return the seconds from start to the first healthy answer."""
        deadline = time.perf_counter() + within_s
        while time.perf_counter() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"up ended:\n{self.log.read_text()}")
            with suppress(OSError):
                if self.get("/health") == 200:
                    return time.perf_counter() - self.began_s
            time.sleep(0.02)
        raise AssertionError(f"not ready:\n{self.log.read_text()}")

    def children(self) -> dict[str, int]:
        """Return the process of every role, as the supervisor wrote it down."""
        path = self.data_dir / "run" / "up.json"
        # The web server may answer before its siblings are started and written down.
        return json.loads(path.read_text())["children"] if path.exists() else {}

    def family(self) -> list[psutil.Process]:
        """Return the supervisor and everything below it."""
        root = psutil.Process(self.pid)
        return [root, *root.children(recursive=True)]

    def wait_whole(self, within_s: float = 30.0) -> list[psutil.Process]:
        """Wait until web, sampler and the complete cluster run; return the family."""
        deadline = time.perf_counter() + within_s
        while time.perf_counter() < deadline:
            roles = self.children()
            if len(roles) == 3:
                with suppress(psutil.NoSuchProcess):
                    # sentinel, workers, monitor, pusher
                    below = psutil.Process(roles["cluster"]).children(recursive=True)
                    if len(below) >= 3 + int(self.env.get("WORKERS", "2")):
                        return self.family()
            time.sleep(0.05)
        raise AssertionError(f"not complete: {self.children()}\n{self.log.read_text()}")

    def stop(self, number: int = signal.SIGTERM, within_s: float = 15.0) -> float:
        """Send a signal; return the seconds until the supervisor ended."""
        began_s = time.perf_counter()
        self.process.send_signal(number)
        self.process.wait(within_s)
        return time.perf_counter() - began_s

    def close(self) -> None:
        """End whatever is left of it."""
        if self.process.poll() is not None:
            return
        family = self.family()
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait(10)
        psutil.wait_procs(family, timeout=5)


def pss_mib(pid: int) -> float:
    """Return the memory of a process, pages shared with others counted in equal parts."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Pss:\s+(\d+)", text, re.M)[1]) / 1024
