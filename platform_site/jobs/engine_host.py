"""Calling engines from the web process: one child on demand answers small interactive questions.

So the web process stays light, and a question that takes too long ends with its process.
"""

import json
import logging
import os
import select
import subprocess
import sys
import threading
import time
from typing import Any, Final

from django.conf import settings

from platform_site.core.errors import Unavailable, Unprocessable

logger = logging.getLogger("assay.engine_host")

COLD_START_S: Final = 15.0
READ_BYTES: Final = 1 << 20
_targets: dict[str, str] = {}


def register(name: str, target: str) -> None:
    """Register an engine function ``module:function`` (dict in, dict out) under a name."""
    _targets[name] = target


class EngineHost:
    """The child process and the pipe to it; one call at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def call(self, name: str, payload: dict[str, Any], *, timeout_s: float) -> dict[str, Any]:
        """Return the engine's answer.

        Raises:
            Unprocessable: for the user's mistake that the engine names.
            Unavailable: when the engine is busy, too slow or has crashed.
        """
        line = json.dumps({"target": _targets[name], "payload": payload}, default=str).encode()
        if not self._lock.acquire(timeout=timeout_s):
            raise Unavailable("The engine is busy with another question. Try again.")
        try:
            reply = self._ask(line + b"\n", timeout_s)
        finally:
            self._lock.release()
        if "error" in reply:
            error = reply["error"]
            raise Unprocessable(error["message"], code=error["code"], **error["details"])
        if "bug" in reply:
            logger.error("engine call %s failed: %s", name, reply["bug"])
            raise Unavailable("The engine could not answer. An administrator finds why in the log.")
        answer: dict[str, Any] = reply["answer"]
        return answer

    def _ask(self, line: bytes, timeout_s: float) -> dict[str, Any]:
        for attempt in (1, 2):
            process, fresh = self._running()
            assert process.stdin is not None  # noqa: S101  # opened as a pipe
            try:
                process.stdin.write(line)
                process.stdin.flush()
                raw = self._read_line(process, timeout_s + (COLD_START_S if fresh else 0.0))
            except (BrokenPipeError, EOFError):
                self.close()
                if attempt == 1 and not fresh:
                    continue  # it had left because nobody asked for long
                raise Unavailable("The engine stopped while answering.") from None
            except TimeoutError:
                self.close()
                raise Unavailable(f"The answer took longer than {timeout_s:.0f} s.") from None
            reply: dict[str, Any] = json.loads(raw)
            return reply
        raise Unavailable("The engine does not start.")

    def _running(self) -> tuple[subprocess.Popen[bytes], bool]:
        if self._process is not None and self._process.poll() is None:
            return self._process, False
        self.close()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "platform_site.jobs.engine_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=settings.BASE_DIR,
            start_new_session=True,
            env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE"},
        )
        return self._process, True

    @staticmethod
    def _read_line(process: subprocess.Popen[bytes], timeout_s: float) -> bytes:
        assert process.stdout is not None  # noqa: S101  # opened as a pipe
        handle, deadline, parts = process.stdout.fileno(), time.monotonic() + timeout_s, []
        while True:
            left_s = deadline - time.monotonic()
            if left_s <= 0 or not select.select([handle], [], [], left_s)[0]:
                raise TimeoutError
            part = os.read(handle, READ_BYTES)
            if not part:
                raise EOFError
            parts.append(part)
            if part.endswith(b"\n"):
                return b"".join(parts)

    def close(self) -> None:
        """End the child."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:
                    pass


_host = EngineHost()


def call(name: str, payload: dict[str, Any], timeout_s: float = 10.0) -> dict[str, Any]:
    """Ask this process's engine host; see `EngineHost.call`."""
    return _host.call(name, payload, timeout_s=timeout_s)
