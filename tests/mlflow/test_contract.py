"""The same requests to MLflow's own server and to ours: the same answers, whatever a client may send.

What differs on purpose is no step here but a line in docs/mlflow/differences.md.
"""

import http.client
import json
import os
import re
import subprocess
import time
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from benchmarks.tracking.servers import Tree
from tests.mlflow.conftest import Server, free_port
from tests.mlflow.contract_steps import STEPS, Step

pytestmark = [pytest.mark.mlflow, pytest.mark.timeout(590)]
API = "/api/2.0/mlflow/"
# Made by the server at its own moment, or of its own kind.
TIMES = re.compile(r"(creation_time|last_update_time|creation_timestamp|last_updated_timestamp|"
                   r"creation_timestamp_ms|last_updated_timestamp_ms|start_time|end_time)$")  # fmt: skip
EARLIEST_MS = 1_600_000_000_000
IGNORED = {"user_id", "sqlstate", "error_class", "message", "next_page_token", "trace_location",
           "effective_trace_archival_retention", "workspace"}  # fmt: skip
# An absent field and an empty one are the same to every client.
EMPTY: tuple[Any, ...] = (None, "", [], {})
# What we say where MLflow's server says nothing.
ADDED = {".model_id", ".aliases"}


def _own_key(item: Any) -> str:
    own = (
        item.get("version") or item.get("key") or item.get("alias")
        if isinstance(item, dict)
        else ""
    )
    return f"{own} {json.dumps(item)}"


class Side:
    """One of the two servers and what its answers named."""

    def __init__(self, url: str, token: str | None, unique: str) -> None:
        self.host = url.removeprefix("http://")
        self.token = token
        self.names = {"u": unique}

    def fill(self, text: str) -> str:
        for name, value in self.names.items():
            text = text.replace("{" + name + "}", value)
        return text

    def send(self, step: Step) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        body = None
        if step.body is not None:
            text = step.body if isinstance(step.body, str) else json.dumps(step.body)
            body = self.fill(text).encode()
            if step.kind:
                headers["Content-Type"] = step.kind
        connection = http.client.HTTPConnection(self.host, timeout=60)
        try:
            connection.request(step.method, API + self.fill(step.path), body, headers)
            answer = connection.getresponse()
            raw = answer.read()
        finally:
            connection.close()
        try:
            found = json.loads(raw) if raw else {}
        except ValueError:
            found = {"not json": raw[:80].decode("utf-8", "replace")}
        for name, path in step.save.items():
            value = found
            for part in path:
                value = value[part]
            self.names[name] = str(value)
        return answer.status, found

    def common(self, value: Any, key: str = "") -> Any:
        """Return an answer without what may differ: ids by their names, moments, order of sets."""
        if isinstance(value, dict):
            return {k: self.common(v, k) for k, v in sorted(value.items()) if k not in IGNORED}
        if isinstance(value, list):
            items = [self.common(item) for item in value]
            named = key in {"metrics", "params", "tags", "aliases", "latest_versions"}
            return sorted(items, key=_own_key) if named else items
        if isinstance(value, str):
            for name, own in sorted(self.names.items()):
                # Small numbers mean an experiment only where one stands: "1" is a value, too.
                before, after = r"(?<![0-9a-zA-Z])", r"(?![0-9a-zA-Z])"
                if own.isdigit() and key != "experiment_id":
                    before, after = "(?<=/)", "(?=/|$)"
                value = re.sub(before + re.escape(own) + after, "{" + name + "}", value)
            return re.sub(
                r"^.*(?=/models/|/\{run2?\}/artifacts)|^(mlflow-artifacts:|/).*(?=/\{e\}$)",
                "ROOT",
                value,
            )
        if TIMES.search(key) and isinstance(value, int) and value > EARLIEST_MS:
            return "a moment"
        return value


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    python = os.environ.get("MLFLOW3_PYTHON")
    if not python:
        pytest.skip("MLFLOW3_PYTHON is not set")
    folder: Path = tmp_path_factory.mktemp("theirs")
    port = free_port()
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [python, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port),
             "--workers", "1", "--backend-store-uri", f"sqlite:///{folder}/server.db"],
            cwd=folder, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    tree = Tree(process.pid)
    try:
        deadline = time.monotonic() + 200
        while True:
            assert process.poll() is None, (folder / "server.log").read_text()
            assert time.monotonic() < deadline, (folder / "server.log").read_text()
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


def paths(there: Any, here: Any, at: str = "") -> Iterator[str]:
    """Yield where two answers differ, and how."""
    if isinstance(there, dict) and isinstance(here, dict):
        for key in sorted(there.keys() | here.keys()):
            is_added = f".{key}" in ADDED and there.get(key) in EMPTY
            if not is_added and (there.get(key) not in EMPTY or here.get(key) not in EMPTY):
                yield from paths(there.get(key), here.get(key), f"{at}.{key}")
    elif isinstance(there, list) and isinstance(here, list) and len(there) == len(here):
        for number, (left, right) in enumerate(zip(there, here, strict=True)):
            yield from paths(left, right, f"{at}[{number}]")
    elif there != here:
        yield f"{at} is {json.dumps(there)[:120]} there and {json.dumps(here)[:120]} here"


def differences(server: Server, theirs: str) -> Iterator[str]:
    """Yield a line for every step whose answers differ."""
    unique = "c" + uuid.uuid4().hex[:10]
    left, right = Side(theirs, None, unique), Side(server.url, server.token, unique)
    for step in STEPS:
        (status, answer), (our_status, ours) = left.send(step), right.send(step)
        told = step.body if isinstance(step.body, str) else json.dumps(step.body)
        label = f"{step.method} {step.path} {told[:160] if step.body else ''}".strip()
        if status != our_status:
            yield f"{label}: {status} there, {our_status} here ({json.dumps(answer)[:150]} | {json.dumps(ours)[:150]})"
        elif status != 200:
            if answer.get("error_code") != ours.get("error_code"):
                yield f"{label}: {answer.get('error_code')} there, {ours.get('error_code')} here"
        elif not step.only_status and left.common(answer) != right.common(ours):
            found = list(paths(left.common(answer), right.common(ours)))
            if found:
                yield f"{label}: " + "; ".join(found[:6])


def test_answers_are_those_of_mlflow(server: Server, theirs: str) -> None:
    found = list(differences(server, theirs))
    assert not found, f"{len(found)} of {len(STEPS)} differ:\n" + "\n".join(found)
