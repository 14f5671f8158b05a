"""Pause, resume, stop and retry of a training, as its people ask for it."""

from django.db.models import F

from experiments.models import Run
from experiments.services.runs import clean_run_name
from platform_site.core.errors import Conflict
from platform_site.core.transactions import write_transaction
from platform_site.jobs import control
from platform_site.jobs.models import Job


def control_run(*, run: Run, action: str) -> Job:
    """Carry out pause, resume, stop or retry on the run's job.

    Raises:
        Invalid: for another action.
        Conflict: with the reason, when the run's state does not allow it.
    """
    return control.control_job(job_id=_job_of(run), action=action)


def edit_run(*, run: Run, name: str | None = None, priority: int | None = None) -> Run:
    """Give the run another name, another place in line, or both at once.

    Raises:
        Invalid: for an empty or too long name, or a priority out of bounds.
        Conflict: when the run is over and has no place in line; nothing is changed then.
    """
    with write_transaction():
        if priority is not None:
            control.set_priority(job_id=_job_of(run), priority=priority)
        if name is not None:
            run.name = clean_run_name(name)
            Run.objects.filter(pk=run.pk).update(
                name=run.name,
                version=F("version") + 1,
                dirty=F("dirty").bitor(Run.Dirty.LABELS),
            )
    return run


def _job_of(run: Run) -> int:
    if run.job_id is None:
        raise Conflict("This run was not started here; it cannot be controlled.")
    return run.job_id
