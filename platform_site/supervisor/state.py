"""A small file that says which processes run here, for `doctor` and for people."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

FILE_NAME = "up.json"


@dataclass(frozen=True)
class RunningState:
    """The supervisor's process, its address and the process of every role."""

    pid: int
    url: str
    children: dict[str, int]


def write_state(run_dir: Path, state: RunningState) -> None:
    """Replace the file in one step."""
    draft = run_dir / f".{FILE_NAME}.draft"
    draft.write_text(json.dumps(asdict(state)), encoding="ascii")
    draft.replace(run_dir / FILE_NAME)


def read_state(run_dir: Path) -> RunningState | None:
    """Return the last written state, None when nothing ever ran."""
    path = run_dir / FILE_NAME
    if not path.exists():
        return None
    return RunningState(**json.loads(path.read_text(encoding="ascii")))
