"""What people change on runs by hand: name, note, tags, deleting and restoring, the wish to stop."""

from collections.abc import Sequence
from typing import Final

from experiments.models import Run
from experiments.services.runs import clean_run_name
from experiments.tracking.database import Database
from experiments.tracking.folding import fold
from experiments.tracking.operations import (
    DeleteTag,
    LogBatch,
    RunOperation,
    SetRunLifecycle,
    UpdateRun,
)
from experiments.tracking.writer import write_group
from platform_site.accounts.callers import Caller, caller_for
from platform_site.accounts.models import User
from platform_site.core.errors import Conflict, DomainError, Invalid
from platform_site.core.transactions import write_transaction
from platform_site.jobs import states

NOTE_TAG: Final = "mlflow.note.content"
STOP_TAG: Final = "assay.stop"
MAX_TAG_CHARS: Final = 5_000
MOST_AT_ONCE: Final = 500


def tag_runs(*, runs: Sequence[Run], key: str, value: str, by: User) -> None:
    """Set one tag on all of the runs, or on none of them.

    Raises:
        Invalid: for a key or value that cannot be kept, or more than 500 runs.
        NotFound, Forbidden, Conflict: as the tracking server refuses programs.
    """
    if not key.strip():
        raise Invalid("A tag needs a key.", field="key")
    if len(value) > MAX_TAG_CHARS:
        raise Invalid(f"A tag's value has at most {MAX_TAG_CHARS:,} characters.", field="value")
    caller = caller_for(by, may_write=True)
    _write([LogBatch(run.uuid, caller, tags=[(key.strip(), value)]) for run in runs])


def untag_run(*, run: Run, key: str, by: User) -> None:
    """Remove a tag.

    Raises:
        NotFound: when the run has no such tag.
        Forbidden, Conflict: as the tracking server refuses programs.
    """
    _write([DeleteTag(run.uuid, caller_for(by, may_write=True), key)])


def write_note(*, run: Run, text: str, by: User) -> None:
    """Keep the run's note (Markdown); an empty one is a note without text.

    Raises:
        Invalid: for a text that cannot be kept.
        NotFound, Forbidden, Conflict: as the tracking server refuses programs.
    """
    tag_runs(runs=[run], key=NOTE_TAG, value=text, by=by)


def rename_run(*, run: Run, name: str, by: User) -> None:
    """Give the run another name.

    Raises:
        Invalid: for an empty or too long name.
        NotFound, Forbidden, Conflict: as the tracking server refuses programs.
    """
    clean = clean_run_name(name)
    _write([UpdateRun(run.uuid, caller_for(by, may_write=True), name=clean)])


def delete_runs(*, runs: Sequence[Run], by: User) -> None:
    """Hide the runs until somebody restores them; all of them or none.

    Raises:
        Conflict: when one of them is a training that still goes on.
        NotFound, Forbidden: as the tracking server refuses programs.
    """
    going_on = [run for run in runs if run.job_id is not None and run.status in states.ACTIVE]
    if going_on:
        raise Conflict(f"“{going_on[0].name}” still goes on; stop it first.")
    _set_lifecycle(runs, "deleted", by)


def restore_runs(*, runs: Sequence[Run], by: User) -> None:
    """Bring deleted runs back; all of them or none.

    Raises:
        NotFound, Forbidden: as the tracking server refuses programs.
    """
    _set_lifecycle(runs, "active", by)


def ask_to_stop(*, run: Run, by: User) -> None:
    """Leave the wish to stop where the program that logs the run can read it.

    Raises:
        Conflict: when the run is over.
        NotFound, Forbidden: as the tracking server refuses programs.
    """
    if run.status not in states.ACTIVE:
        raise Conflict("The run is over.")
    _write([LogBatch(run.uuid, caller_for(by, may_write=True), tags=[(STOP_TAG, "true")])])


def _set_lifecycle(runs: Sequence[Run], lifecycle: str, by: User) -> None:
    caller: Caller = caller_for(by, may_write=True)
    _write([SetRunLifecycle(run.uuid, caller, lifecycle) for run in runs])


def _write(operations: Sequence[RunOperation]) -> None:
    if len(operations) > MOST_AT_ONCE:
        raise Invalid(f"At most {MOST_AT_ONCE} runs can be changed at once.", field="run")
    db = Database.of_django()
    with write_transaction():
        for result in write_group(db, operations):
            if isinstance(result, DomainError):
                raise result
        uuids = [one.run_uuid for one in operations]
        fold(db, list(Run.objects.filter(uuid__in=uuids).values_list("pk", flat=True)))
