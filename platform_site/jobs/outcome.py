"""How a child tells its supervisor how the work ended: one small file, written atomically."""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

OUTCOME_FILE = "outcome.json"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The end of one attempt: completed, paused, stopped or failed."""

    status: str
    result: dict[str, Any] = field(default_factory=dict)
    error_code: str = ""
    error_message: str = ""
    traceback: str = ""


def write_outcome(work_dir: Path, outcome: Outcome) -> None:
    """Write the outcome so that a reader sees all of it or nothing."""
    draft = work_dir / f".{OUTCOME_FILE}.{os.getpid()}"
    draft.write_text(json.dumps(asdict(outcome)), encoding="utf-8")
    draft.replace(work_dir / OUTCOME_FILE)


def read_outcome(work_dir: Path) -> Outcome | None:
    """Return the outcome of the last attempt, None when the child left none."""
    try:
        text = (work_dir / OUTCOME_FILE).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    return Outcome(**json.loads(text))
