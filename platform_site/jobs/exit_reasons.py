"""Why a child ended without a word, in words a practitioner understands."""

import signal
from pathlib import Path
from typing import Final

from platform_site.jobs.models import Job

OUTPUT_FILE: Final = "output.log"
TAIL_BYTES: Final = 4000
MEMORY_WORDS: Final = ("MemoryError", "Cannot allocate memory", "std::bad_alloc")


def failure_of(exit_code: int, killed_for: str, job: Job, work_dir: Path) -> tuple[str, str]:
    """Return a stable code and a sentence for a child that left no outcome."""
    if killed_for == "time_limit":
        return "time_limit", f"The job ran longer than its limit of {job.time_limit_s} s."
    tail = output_tail(work_dir)
    if any(word in tail for word in MEMORY_WORDS):
        return "out_of_memory", "The job needed more memory than it was allowed."
    if exit_code < 0:
        name = signal.Signals(-exit_code).name
        return (
            "worker_crashed",
            f"The process was killed ({name}) in attempt {job.attempts} of {job.max_attempts};"
            " the machine may have run out of memory.",
        )
    return (
        "worker_crashed",
        f"The process ended unexpectedly (exit code {exit_code}) in attempt"
        f" {job.attempts} of {job.max_attempts}.",
    )


def output_tail(work_dir: Path) -> str:
    """Return the last lines that the child and its libraries printed."""
    try:
        with (work_dir / OUTPUT_FILE).open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - TAIL_BYTES))
            return file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
