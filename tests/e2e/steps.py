"""Arranging through the API, so that the browser's time goes into what a test is about."""

import json
import time
import urllib.request
import uuid
from collections.abc import Callable
from typing import Any, TypeVar

from playwright.sync_api import Error, Page

T = TypeVar("T")
PASSWORD = "correct horse 42 battery"  # of people who live as long as a test
PATIENCE_S = 180.0
OVER = {"completed", "failed", "stopped", "lost"}


def eventually(condition: Callable[[], T], within_s: float = PATIENCE_S) -> T:
    """Return what the condition gives as soon as it is true."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError("it did not happen in time")


class Api:
    """A person's programs."""

    def __init__(self, base_url: str, username: str) -> None:
        self.base_url = f"{base_url}/api/v1"
        self.headers: dict[str, str] = {}
        token = self.post("/auth/token/", {"username": username, "password": PASSWORD})["token"]
        self.headers = {"Authorization": f"Bearer {token}"}

    def _ask(self, method: str, path: str, body: bytes | None, kind: str) -> Any:
        request = urllib.request.Request(
            self.base_url + path, data=body, method=method,
            headers={**self.headers, "Content-Type": kind},
        )  # fmt: skip
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read() or b"null")

    def get(self, path: str) -> Any:
        return self._ask("GET", path, None, "application/json")

    def post(self, path: str, values: dict[str, Any]) -> Any:
        return self._ask("POST", path, json.dumps(values).encode(), "application/json")

    def dataset(self, name: str, text: str, *, wait: bool = True) -> int:
        """Upload a CSV and return the dataset's id, by default once it is ready."""
        mark = uuid.uuid4().hex
        parts = [
            f'--{mark}\r\nContent-Disposition: form-data; name="name"\r\n\r\n{name}\r\n',
            f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="table.csv"\r\n'
            f"Content-Type: text/csv\r\n\r\n{text}\r\n--{mark}--\r\n",
        ]
        body = "".join(parts).encode()
        number = int(
            self._ask("POST", "/datasets/", body, f"multipart/form-data; boundary={mark}")["id"]
        )
        if wait:
            eventually(lambda: self.get(f"/datasets/{number}/")["status"] != "validating")
            assert self.get(f"/datasets/{number}/")["status"] == "ready"
        return number

    def start(self, dataset: int, target: str, model_type: str, **values: Any) -> dict[str, Any]:
        """Start a training and return {id, run, status}."""
        wanted = {"dataset": dataset, "target": target, "model_type": model_type, **values}
        return self.post("/ml-platform/training-jobs/", wanted)

    def job(self, job_id: Any) -> dict[str, Any]:
        return self.get(f"/ml-platform/training-jobs/{job_id}/")

    def wait_over(self, job_id: Any) -> str:
        """Return the status in which the job ended."""
        return eventually(lambda: (s := self.job(job_id)["status"]) in OVER and s)


def until(page: Page, expression: str, argument: Any = None) -> Any:
    """Return what the expression gives in the page as soon as it is true.

    Playwright's own waiting evaluates text inside the page, which the content policy forbids.
    """

    def look() -> Any:
        try:
            return page.evaluate(expression, argument)
        except Error:  # the page is on its way to another address
            return None

    return eventually(look)
