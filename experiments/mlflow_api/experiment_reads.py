"""Finding the experiment that a request means, over a raw connection."""

from typing import Final

from experiments.mlflow_api.fields import MAX_ID, experiment_number
from experiments.mlflow_api.kit.call import Call
from experiments.services.default_experiment import FIRST_ID
from experiments.tracking.database import Database
from experiments.tracking.search.comparisons import microseconds, moment_selected
from experiments.tracking.search.experiments import ExperimentRow
from platform_site.core.errors import NotFound

_COLUMNS: Final = "id, project_id, name, asked_location, lifecycle, {created}, {updated}"


def find_experiment(db: Database, where: str, params: tuple[object, ...]) -> ExperimentRow | None:
    """Return the experiment that the condition names."""
    columns = _COLUMNS.format(
        created=moment_selected(db.dialect, "created_at"),
        updated=moment_selected(db.dialect, "updated_at"),
    )
    rows = db.rows(f"SELECT {columns} FROM experiments_experiment WHERE {where}", params)  # noqa: S608  # our own texts
    if not rows:
        return None
    number, project_id, name, location, lifecycle, created, updated = rows[0]
    return ExperimentRow(
        number,
        project_id,
        name,
        location,
        lifecycle,
        microseconds(created) // 1000,
        microseconds(updated) // 1000,
    )


def experiment_by_id(call: Call, db: Database, text: str) -> ExperimentRow | None:
    """Return the experiment of this id, None for a default experiment that was never needed.

    The id ``0`` means the default experiment of the project that the call works in, whatever
    its number.

    Raises:
        NotFound: when there is none that the caller may see.
        ProtocolError: when the id is no number.
    """
    number = experiment_number(text)
    if number == FIRST_ID:
        return find_experiment(db, "project_id = ? AND is_default", (call.project(),))
    found = find_experiment(db, "id = ?", (number,)) if 0 < number <= MAX_ID else None
    if found is None or call.caller.role_in(found.project_id) is None:
        raise no_experiment(text)
    return found


def default_experiment_id(call: Call, db: Database) -> int | None:
    """Return the number of the default experiment of the call's project, if it exists."""
    rows = db.rows(
        "SELECT id FROM experiments_experiment WHERE project_id = ? AND is_default",
        (call.project(),),
    )
    return rows[0][0] if rows else None


def no_experiment(text: str) -> NotFound:
    """Return the refusal of an id that no experiment has, or none that the caller may see."""
    return NotFound(f"No Experiment with id={text} exists")
