"""Callers, experiments and writes for the tests of tracking."""

from experiments.models import Experiment, Run
from experiments.tracking.codec import unpack_tail
from experiments.tracking.database import Database
from experiments.tracking.operations import CreateRun, Operation
from experiments.tracking.writer import write_group
from platform_site.accounts.callers import Caller, caller_for
from platform_site.core.clock import now
from platform_site.core.errors import DomainError
from platform_site.core.transactions import in_transaction, write_transaction


def caller(user) -> Caller:
    """Return the person as a caller who may write."""
    return caller_for(user, may_write=True)


def experiment_of(project, name: str = "Trials") -> Experiment:
    """Return an active experiment of the project."""
    moment = now()
    found, _ = Experiment.objects.get_or_create(
        project=project, name=name, defaults={"created_at": moment, "updated_at": moment}
    )
    return found


def write_all(*operations: Operation) -> list:
    """Write the operations as one group; return results and refusals."""
    if in_transaction():
        return write_group(Database.of_django(), operations)
    with write_transaction():
        return write_group(Database.of_django(), operations)


def write(operation: Operation):
    """Write one operation; return its result, raise its refusal."""
    (result,) = write_all(operation)
    if isinstance(result, DomainError):
        raise result
    return result


def new_run(user, project, **fields) -> Run:
    """Return a run that a client of this person made."""
    made = write(CreateRun(experiment_of(project).pk, caller(user), **fields))
    return Run.objects.get(pk=made.row.id)


def tail_points(run: Run) -> list[tuple[str, int, int, float]]:
    """Return what the run's tail holds, in the order it came."""
    from experiments.models import Key, MetricTail

    names = dict(Key.objects.values_list("id", "name"))
    found = []
    for tail in MetricTail.objects.filter(run=run).order_by("id"):
        columns = unpack_tail(tail.data)
        found += [
            (names[key], step, at_ms, value)
            for key, step, at_ms, value in zip(
                columns.key_ids, columns.steps, columns.times_ms, columns.values, strict=True
            )
        ]
    return found
