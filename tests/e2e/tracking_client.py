"""A program that logs through the tracking protocol, with nothing but HTTP."""

import json
import time
import urllib.request
from typing import Any


class Tracking:
    """The calls of the protocol that the browser tests need."""

    def __init__(self, base_url: str, headers: dict[str, str]) -> None:
        self.root = f"{base_url}/api/2.0/mlflow"
        self.headers = {**headers, "Content-Type": "application/json"}

    def post(self, path: str, **values: Any) -> Any:
        request = urllib.request.Request(
            f"{self.root}/{path}", data=json.dumps(values).encode(), headers=self.headers
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read() or b"null")

    def experiment(self, name: str) -> str:
        return self.post("experiments/create", name=name)["experiment_id"]

    def run(self, experiment: str, name: str, *, params=None, tags=None, metrics=None) -> str:
        """Start a run that has logged these; return its id."""
        made = self.post(
            "runs/create", experiment_id=experiment, run_name=name, user_id="robot",
            start_time=int(time.time() * 1000),
        )  # fmt: skip
        uuid = made["run"]["info"]["run_id"]
        pairs = {
            "params": [{"key": key, "value": str(value)} for key, value in (params or {}).items()],
            "tags": [{"key": key, "value": value} for key, value in (tags or {}).items()],
        }
        self.post("runs/log-batch", run_id=uuid, metrics=[], **pairs)
        if metrics:
            self.log(uuid, 0, **metrics)
        return uuid

    def log(self, uuid: str, step: int, **values: float) -> None:
        moment = int(time.time() * 1000)
        metrics = [
            {"key": key, "value": value, "step": step, "timestamp": moment}
            for key, value in values.items()
        ]
        self.post("runs/log-batch", run_id=uuid, metrics=metrics)

    def end(self, uuid: str, status: str = "FINISHED") -> None:
        self.post("runs/update", run_id=uuid, status=status, end_time=int(time.time() * 1000))

    def tags_of(self, uuid: str) -> dict[str, str]:
        request = urllib.request.Request(
            f"{self.root}/runs/get?run_id={uuid}", headers=self.headers
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            data = json.loads(answer.read())["run"]["data"]
        return {one["key"]: one["value"] for one in data.get("tags", [])}
