"""What the probe's jobs do."""

import ctypes
import os
import signal
import time

from platform_site.core.errors import Invalid
from platform_site.jobs.child_main import Paused, Stopped


def count(context):
    """Count to payload["to"] with a file as checkpoint; pausable, stoppable, resumable."""
    mark = context.work_dir / "count"
    done = int(mark.read_text()) if mark.exists() else 0
    total = context.payload["to"]
    while done < total:
        wish = context.should_stop()
        if wish == "pause":
            raise Paused
        if wish == "stop":
            raise Stopped({"done": done})
        time.sleep(context.payload.get("step_s", 0.05))
        done += 1
        mark.write_text(str(done))
        context.report("counting", done / total, eta_s=float(total - done))
        context.log(f"counted {done}")
    return {"done": done, "pid": os.getpid()}


def crash(context):
    """Die without a word."""
    os.kill(os.getpid(), signal.SIGKILL)


def fail(context):
    """Fail by a user's mistake or by a bug."""
    if context.payload["how"] == "mistake":
        raise Invalid("The column 'x' is missing.", code="column_missing")
    raise RuntimeError("password=hunter2 is our bug")


def hog(context):
    """Ask for more memory than allowed."""
    return {"size": len(bytearray(context.payload["bytes"]))}


def spin(context):
    """Stay in C code that holds the interpreter, deaf to every wish."""
    ctypes.PyDLL(None).sleep(context.payload["for_s"])
