"""Runs over the protocol: make, find, change, delete, restore, search."""

from functools import partial
from typing import Any, Final

from experiments.mlflow_api.experiment_reads import default_experiment_id, no_experiment
from experiments.mlflow_api.fields import (
    COLUMN_OF_STATUS,
    MAX_ID,
    MAX_TAG_CHARS,
    VIEWS,
    WIRE_STATUSES,
    Label,
    check_run_id,
    checked_max_results,
    enum_name,
    experiment_number,
    pairs_of,
    too_many,
)
from experiments.mlflow_api.kit.answers import Answer, ok
from experiments.mlflow_api.kit.call import Call
from experiments.mlflow_api.kit.errors import missing_value
from experiments.mlflow_api.kit.hot import FoldFirst, InThread, MayTakeLong, Write
from experiments.mlflow_api.kit.requests import Int64, Request, decode
from experiments.mlflow_api.kit.routes import Route
from experiments.mlflow_api.run_json import created_run_json, run_json, run_jsons
from experiments.mlflow_api.shapes import page_json, run_info
from experiments.models.experiments import Lifecycle
from experiments.models.runs import Run
from experiments.services.default_experiment import FIRST_ID
from experiments.services.experiments import ensure_default_experiment
from experiments.tracking.database import Database
from experiments.tracking.operations import CreatedRun, CreateRun, SetRunLifecycle, UpdateRun
from experiments.tracking.rows import RUN_COLUMNS, RUN_TABLES, RunRow
from experiments.tracking.search.runs import MAX_RESULTS, search_run_ids
from platform_site.accounts.models import Project
from platform_site.core.clock import now_ms
from platform_site.core.errors import NotFound

MAX_TAGS: Final = 1000
MAX_EXPERIMENTS: Final = 1000
MANY_EXPERIMENTS: Final = 20
LOCAL_RUNS: Final = 2000
METRICS: Final = int(Run.Dirty.METRICS)
FIND_RUN: Final = f"SELECT {RUN_COLUMNS} FROM {RUN_TABLES} WHERE r.uuid = ?"  # noqa: S608  # our own text
FIND_DIRTY: Final = (
    "SELECT id, dirty FROM experiments_run WHERE experiment_id IN (??) AND dirty > 0"
)


class CreateRunRequest(Request):
    """A new run."""

    experiment_id: str = ""
    user_id: str = ""
    start_time: Int64 = 0
    run_name: str = ""
    tags: list[Label] = []


class RunId(Request):
    """One run."""

    run_id: str
    run_uuid: str = ""


class GetRun(Request):
    """One run; old clients name it `run_uuid` alone."""

    run_id: str = ""
    run_uuid: str = ""


class UpdateRunRequest(Request):
    """New status, end or name."""

    run_id: str
    run_uuid: str = ""
    status: str | int = ""
    end_time: Int64 | None = None
    run_name: str = ""


class SearchRuns(Request):
    """A page of runs."""

    experiment_ids: list[str] = []
    filter: str = ""
    run_view_type: str | int = "ACTIVE_ONLY"
    max_results: Int64 = 1000
    order_by: list[str] = []
    page_token: str = ""


def create(call: Call, db: Database | None) -> Write | InThread | MayTakeLong:
    """Make a running run."""
    asked = decode(call, CreateRunRequest)
    if len(asked.tags) > MAX_TAGS:
        raise too_many("tags", MAX_TAGS, len(asked.tags))
    number = experiment_number(asked.experiment_id) if asked.experiment_id else FIRST_ID
    if number == FIRST_ID:
        if db is None:
            return MayTakeLong()
        found = default_experiment_id(call, db)
        if found is None:
            return InThread(partial(_create_in_new_default, call, asked))
        number = found
    elif not 0 < number <= MAX_ID:
        raise no_experiment(asked.experiment_id)
    return _creation(call, asked, number)


def _creation(call: Call, asked: CreateRunRequest, experiment_id: int) -> Write:
    operation = CreateRun(
        experiment_id,
        call.caller,
        name=asked.run_name,
        user_name=asked.user_id or call.caller.username,
        start_ms=asked.start_time or now_ms(),
        tags=pairs_of(asked.tags, "tags", MAX_TAG_CHARS),
    )
    return Write(operation, _created)


def _create_in_new_default(call: Call, asked: CreateRunRequest) -> Write:
    project = Project.objects.get(pk=call.project("write"))
    return _creation(call, asked, ensure_default_experiment(project=project).pk)


def _created(made: CreatedRun) -> Answer:
    return Answer(body=b'{"run":' + created_run_json(made) + b"}")


def get(call: Call, db: Database) -> Answer:
    """Answer with a run, deleted ones too."""
    asked = decode(call, GetRun)
    run_id = asked.run_id or asked.run_uuid
    if not run_id:
        raise missing_value("run_id")
    row = visible_run(call, db, run_id)
    return Answer(body=b'{"run":' + run_json(db, row) + b"}")


def visible_run(call: Call, db: Database, run_id: str) -> RunRow:
    """Return the run.

    Raises:
        NotFound: when there is none that the caller may see.
        ProtocolError: when no run could have this id.
    """
    rows = db.rows(FIND_RUN, (check_run_id(run_id),))
    if not rows or call.caller.role_in(rows[0][RunRow._fields.index("project_id")]) is None:
        raise NotFound(f"Run '{run_id}' not found")
    return RunRow._make(rows[0])


def update(call: Call, db: None) -> Write:
    """Change status, end or name of a run."""
    asked = decode(call, UpdateRunRequest)
    status = enum_name(asked.status, WIRE_STATUSES)
    operation = UpdateRun(
        check_run_id(asked.run_id),
        call.caller,
        status=None if status is None else COLUMN_OF_STATUS[status],
        end_ms=asked.end_time,
        name=asked.run_name or None,
    )
    return Write(operation, _updated)


def _updated(row: RunRow) -> Answer:
    return ok({"run_info": run_info(row)})


def delete(call: Call, db: None) -> Write:
    """Delete a run, as often as one likes."""
    run_id = check_run_id(decode(call, RunId).run_id)
    return Write(SetRunLifecycle(run_id, call.caller, Lifecycle.DELETED.value))


def restore(call: Call, db: None) -> Write:
    """Restore a run, as often as one likes."""
    run_id = check_run_id(decode(call, RunId).run_id)
    return Write(SetRunLifecycle(run_id, call.caller, Lifecycle.ACTIVE.value))


def search(call: Call, db: Database) -> Answer | FoldFirst | MayTakeLong:
    """Answer with a page of runs; of none when no experiment is named."""
    asked = decode(call, SearchRuns)
    max_results = checked_max_results(asked.max_results, MAX_RESULTS)
    if len(asked.experiment_ids) > MAX_EXPERIMENTS:
        raise too_many("experiment_ids", MAX_EXPERIMENTS, len(asked.experiment_ids))
    experiment_ids = _experiment_ids(call, db, asked.experiment_ids)
    if not call.may_take_long and _is_large(db, experiment_ids):
        return MayTakeLong()
    if not call.is_folded:
        dirty = db.rows_in(FIND_DIRTY, experiment_ids)
        stale = [run_id for run_id, bits in dirty if bits & METRICS]
        if stale:
            return FoldFirst(stale)
    run_ids, token = search_run_ids(
        db,
        call.caller.visible_projects(),
        experiment_ids,
        asked.filter,
        asked.order_by,
        VIEWS.get(asked.run_view_type, "ACTIVE_ONLY"),
        max_results,
        asked.page_token or None,
    )
    return Answer(body=page_json(b"runs", run_jsons(db, run_ids), token))


def _is_large(db: Database, experiment_ids: list[int]) -> bool:
    """Whether the search may hold up the event loop for more than some milliseconds."""
    rows = db.rows_in(
        "SELECT count(*) FROM (SELECT 1 FROM experiments_run WHERE experiment_id IN (??) LIMIT ?)",
        experiment_ids[:MANY_EXPERIMENTS],
        LOCAL_RUNS,
    )
    return len(experiment_ids) > MANY_EXPERIMENTS or any(count == LOCAL_RUNS for (count,) in rows)


def _experiment_ids(call: Call, db: Database, texts: list[str]) -> list[int]:
    numbers: set[int] = set()
    for at, text in enumerate(texts):
        number = experiment_number(text, f"experiment_ids[{at}]")
        if number == FIRST_ID:
            found = default_experiment_id(call, db)
            numbers |= set() if found is None else {found}
        elif 0 < number <= MAX_ID:
            numbers.add(number)
    return sorted(numbers)


def _routes() -> list[Route]:
    base = "2.0/mlflow/runs"
    changes: dict[str, Any] = {
        "create": create,
        "update": update,
        "delete": delete,
        "restore": restore,
    }
    return [
        *(
            Route("POST", f"{base}/{name}", endpoint, hot=True, blind=True)
            for name, endpoint in changes.items()
        ),
        Route("GET", f"{base}/get", get, hot=True),
        Route("POST", f"{base}/search", search, hot=True, reads=True),
    ]


ROUTES: Final = _routes()
