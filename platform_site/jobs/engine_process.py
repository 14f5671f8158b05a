"""The engine host's process: answers small calls of pure engine functions; knows no Django.

One JSON line in, one JSON line out: ``{"target": "module:function", "payload": {…}}`` →
``{"answer": {…}}`` or ``{"error": {"code", "message", "details"}}``. Ends when its input closes
or nothing was asked for ten minutes.
"""

import importlib
import json
import os
import select
import sys
import traceback
from typing import Any, Final

IDLE_LIMIT_S: Final = 600.0


def answer(line: bytes) -> dict[str, Any]:
    """Return the answer to one call."""
    call = json.loads(line)
    module, _, function = call["target"].partition(":")
    try:
        return {"answer": getattr(importlib.import_module(module), function)(call["payload"])}
    except Exception as error:  # noqa: BLE001  # the boundary of the engine
        if hasattr(error, "code") and hasattr(error, "message") and hasattr(error, "details"):
            return {
                "error": {"code": error.code, "message": error.message, "details": error.details}
            }
        return {"bug": traceback.format_exc()}


def main() -> None:
    """Answer calls until nobody asks any more."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever libraries print must not mix with the answers
    calls = sys.stdin.buffer
    while True:
        readable, _, _ = select.select([calls], [], [], IDLE_LIMIT_S)
        line = calls.readline() if readable else b""
        if not line:
            return
        answers.write(json.dumps(answer(line), default=str).encode() + b"\n")
        answers.flush()


if __name__ == "__main__":
    main()
