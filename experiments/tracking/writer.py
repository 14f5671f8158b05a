"""Storing a group of writes in one transaction: load once, check in order, write once per table."""

from array import array
from collections.abc import Mapping, Sequence
from typing import Final

from experiments.models.experiments import Lifecycle
from experiments.models.runs import Run
from experiments.tracking.codec import KeyedColumns, digest_of, pack_tail
from experiments.tracking.database import Database, Row
from experiments.tracking.keys import KeyBook
from experiments.tracking.operations import (
    CreatedRun,
    CreateRun,
    DeleteTag,
    LogBatch,
    Operation,
    Result,
    UpdateRun,
)
from experiments.tracking.planning import (
    GREATEST,
    Facts,
    NewRun,
    RunPlan,
    plan_new_run,
    plan_run_operation,
)
from experiments.tracking.rows import RUN_COLUMNS, RUN_TABLES, RunRow
from platform_site.core.clock import now, now_ms
from platform_site.core.errors import DomainError
from platform_site.jobs import states

# A run that is written to all the time need not say so more often.
HEARD_EVERY_MS: Final = 10_000
CREATED: Final = int(Run.Dirty.CREATED)

INSERT_RUN: Final = (
    "INSERT INTO experiments_run (uuid, project_id, experiment_id, name, user_name, start_ms, "
    "created_by_id, created_at, heard_ms, version, dirty, kind, status, model_type, task, target, "
    "spec, spec_digest, code_version, environment, host, register_as, headline_metric, notes, "
    "lifecycle, tail_points, folded_tail)"
)
RUN_VALUES: Final = (
    f"(?, ?, ?, ?, ?, ?, ?, ?, ?, 0, {CREATED}, 'tracked', 'running', '', '', '', '{{}}', '', '', "
    "'{}', '', '', '', '[]', 'active', 0, 0)"
)
INSERT_TAIL: Final = "INSERT INTO experiments_metrictail (run_id, digest, n_points, data)"
INSERT_PARAM: Final = "INSERT INTO experiments_runparam (run_id, key_id, value)"
INSERT_TAG: Final = "INSERT INTO experiments_runtag (run_id, key_id, value)"
KEEP: Final = "ON CONFLICT DO NOTHING"
REPLACE: Final = "ON CONFLICT (run_id, key_id) DO UPDATE SET value = excluded.value"
FIND_EXPERIMENTS: Final = (
    "SELECT id, project_id, lifecycle, asked_location FROM experiments_experiment "
    "WHERE id IN (??) ORDER BY id"
)
FIND_RUNS: Final = f"SELECT {RUN_COLUMNS} FROM {RUN_TABLES} WHERE r.uuid IN (??) ORDER BY r.id"  # noqa: S608  # our own text
DELETE_TAG: Final = "DELETE FROM experiments_runtag WHERE run_id = ? AND key_id = ?"
INSERT_MODEL_METRIC: Final = (
    "INSERT INTO experiments_loggedmodelmetric (model_id, run_id, key, step, timestamp_ms, value, "
    "is_nan, dataset_name, dataset_digest)"
)
TOUCH: Final = (
    "UPDATE experiments_run SET version = version + 1, dirty = dirty | ?, "
    "heard_ms = CASE WHEN heard_ms > ? THEN heard_ms ELSE ? END WHERE id IN (??)"
)


def write_group(
    db: Database, operations: Sequence[Operation], keys: KeyBook | None = None
) -> list[Result | DomainError]:
    """Store what is allowed of the operations, as if one after the other; one result for each.

    A refused operation leaves nothing behind. The transaction is the caller's; its end must be
    told to `keys`, which may be left out for a single group.
    """
    return _Group(db, operations, keys or KeyBook()).write()


class _Group:
    """One transaction's worth of operations."""

    def __init__(self, db: Database, operations: Sequence[Operation], keys: KeyBook) -> None:
        self.db = db
        self.operations = operations
        self.keys = keys
        self.at_ms = now_ms()
        self.plans: dict[str, RunPlan] = {}
        self.new_runs: list[NewRun] = []

    def write(self) -> list[Result | DomainError]:
        facts = self._load()
        planned = [self._plan(operation, facts) for operation in self.operations]
        self.keys.make(self.db, self._names_to_store())
        numbers = self.keys.numbers()
        made = self._insert_runs(numbers)
        self._insert_points(numbers)
        self._insert_model_points(facts)
        self._write_labels(numbers)
        self._update_runs()
        return [self._result(one, made) for one in planned]

    # -- reading what the checks need ---------------------------------------------------------

    def _load(self) -> Facts:
        experiments = self._load_experiments()
        self._load_runs()
        self.keys.find(self.db, self._names_to_find())
        self._load_params()
        self._load_tags()
        return Facts(self.at_ms, self.keys.numbers(), experiments, self._load_models())

    def _load_experiments(self) -> dict[int, Row]:
        wanted = {one.experiment_id for one in self.operations if isinstance(one, CreateRun)}
        lock = " FOR SHARE" if self.db.dialect == "postgresql" else ""
        rows = self.db.rows_in(FIND_EXPERIMENTS + lock, wanted)
        return {row[0]: row for row in rows}

    def _load_runs(self) -> None:
        wanted = {one.run_uuid for one in self.operations if not isinstance(one, CreateRun)}
        # In the order of their ids, so that two processes never wait for each other in a circle.
        lock = " FOR NO KEY UPDATE OF r" if self.db.dialect == "postgresql" else ""
        rows = self.db.rows_in(FIND_RUNS + lock, wanted)
        self.plans = {row[1]: RunPlan(RunRow._make(row)) for row in rows}

    def _names_to_find(self) -> set[str]:
        names: set[str] = set()
        for one in self.operations:
            if isinstance(one, LogBatch):
                names.update([point[0] for point in one.metrics])
                names.update([pair[0] for pair in one.params])
                names.update([pair[0] for pair in one.tags])
            elif isinstance(one, CreateRun):
                names.update([pair[0] for pair in one.tags])
            elif isinstance(one, DeleteTag):
                names.add(one.key)
        return names

    def _load_params(self) -> None:
        wanted: dict[str, set[str]] = {}
        for one in self.operations:
            if isinstance(one, LogBatch) and one.params and one.run_uuid in self.plans:
                wanted.setdefault(one.run_uuid, set()).update([pair[0] for pair in one.params])
        for uuid, names in wanted.items():
            plan = self.plans[uuid]
            ids = {number: name for name in names if (number := self.keys.get(name)) is not None}
            rows = self.db.rows_in(
                "SELECT key_id, value FROM experiments_runparam WHERE key_id IN (??) "
                "AND run_id = ?",
                ids,
                plan.row.id,
            )
            plan.params.update((ids[key_id], value) for key_id, value in rows)

    def _load_tags(self) -> None:
        for one in self.operations:
            if isinstance(one, DeleteTag) and (plan := self.plans.get(one.run_uuid)) is not None:
                found = self.db.rows(
                    "SELECT 1 FROM experiments_runtag WHERE run_id = ? AND key_id = ?",
                    (plan.row.id, self.keys.get(one.key)),
                )
                if found:
                    plan.stored_tags.add(one.key)

    def _load_models(self) -> dict[str, tuple[int, int]]:
        wanted = {
            point.model_id
            for one in self.operations
            if isinstance(one, LogBatch)
            for point in one.model_metrics
        }
        rows = self.db.rows_in(
            "SELECT m.model_id, m.id, e.project_id FROM experiments_loggedmodel m "
            "JOIN experiments_experiment e ON e.id = m.experiment_id "
            "WHERE m.model_id IN (??) AND m.lifecycle = 'active'",
            wanted,
        )
        return {model_id: (number, project_id) for model_id, number, project_id in rows}

    # -- checking -----------------------------------------------------------------------------

    def _plan(self, operation: Operation, facts: Facts) -> Operation | NewRun | DomainError:
        try:
            if isinstance(operation, CreateRun):
                new = plan_new_run(operation, facts)
                self.new_runs.append(new)
                return new
            plan_run_operation(self.plans.get(operation.run_uuid), operation, facts)
        except DomainError as error:
            return error
        return operation

    # -- writing ------------------------------------------------------------------------------

    def _names_to_store(self) -> set[str]:
        names: set[str] = set()
        for new in self.new_runs:
            names.update(new.tags)
        for plan in self.plans.values():
            names.update(plan.new_params)
            names.update([key for key, value in plan.tags.items() if value is not None])
            for batch in plan.batches:
                names |= batch.names
        return names

    def _insert_runs(self, numbers: Mapping[str, int]) -> dict[str, int]:
        if not self.new_runs:
            return {}
        created_at = self.db.moment(now())
        rows = [
            (
                new.operation.uuid,
                new.project_id,
                new.operation.experiment_id,
                new.name,
                new.operation.user_name,
                new.operation.start_ms,
                new.operation.caller.user_id,
                created_at,
                self.at_ms,
            )
            for new in self.new_runs
        ]
        # A repeat after a lost connection finds its run made.
        self.db.insert(INSERT_RUN, RUN_VALUES, "ON CONFLICT (uuid) DO NOTHING", rows)
        made: dict[str, int] = dict(
            self.db.rows_in(
                "SELECT uuid, id FROM experiments_run WHERE uuid IN (??)", [row[0] for row in rows]
            )
        )
        tags = [
            (made[new.operation.uuid], numbers[key], value)
            for new in self.new_runs
            for key, value in new.tags.items()
        ]
        self.db.insert(INSERT_TAG, "(?, ?, ?)", REPLACE, tags)
        return made

    def _insert_points(self, numbers: Mapping[str, int]) -> None:
        rows: list[tuple[int, int, int, bytes]] = []
        for plan in self.plans.values():
            for batch in plan.batches:
                key_ids = array("i", map(numbers.__getitem__, batch.keys))
                columns = KeyedColumns(batch.steps, batch.times_ms, batch.values, key_ids)
                data = pack_tail(columns)
                rows.append((plan.row.id, digest_of(data), len(columns), data))
        self.db.insert(INSERT_TAIL, "(?, ?, ?, ?)", KEEP, rows)

    def _insert_model_points(self, facts: Facts) -> None:
        rows = []
        for plan in self.plans.values():
            for model_id, key, step, at_ms, value, name, digest in plan.model_points:
                is_nan = value != value  # noqa: PLR0124  # only NaN differs from itself
                kept = 0.0 if is_nan else min(max(value, -GREATEST), GREATEST)
                number = facts.models[model_id][0]
                rows.append((number, plan.row.id, key, step, at_ms, kept, is_nan, name, digest))
        self.db.insert(INSERT_MODEL_METRIC, "(?, ?, ?, ?, ?, ?, ?, ?, ?)", KEEP, rows)

    def _write_labels(self, numbers: Mapping[str, int]) -> None:
        params: list[tuple[int, int, str]] = []
        tags: list[tuple[int, int, str]] = []
        for plan in self.plans.values():
            run_id = plan.row.id
            params += [(run_id, numbers[key], value) for key, value in plan.new_params.items()]
            for key, value in plan.tags.items():
                if value is not None:
                    tags.append((run_id, numbers[key], value))
                elif (key_id := self.keys.get(key)) is not None:
                    self.db.execute(DELETE_TAG, (run_id, key_id))
        self.db.insert(INSERT_PARAM, "(?, ?, ?)", KEEP, params)
        self.db.insert(INSERT_TAG, "(?, ?, ?)", REPLACE, tags)

    def _update_runs(self) -> None:
        touched: dict[int, list[int]] = {}
        for plan in self.plans.values():
            if plan.is_touched:
                touched.setdefault(plan.bits, []).append(plan.row.id)
            if plan.columns:
                names = sorted(plan.columns)
                settings = ", ".join(f"{name} = ?" for name in names)
                self.db.execute(
                    f"UPDATE experiments_run SET {settings} WHERE id = ?",  # noqa: S608  # our own names
                    [*(plan.columns[name] for name in names), plan.row.id],
                )
        for bits, run_ids in touched.items():
            before = (bits, self.at_ms - HEARD_EVERY_MS, self.at_ms)
            self.db.execute_in(TOUCH, before, run_ids)

    # -- answering ----------------------------------------------------------------------------

    def _result(
        self, planned: Operation | NewRun | DomainError, made: Mapping[str, int]
    ) -> Result | DomainError:
        if isinstance(planned, DomainError):
            return planned
        if isinstance(planned, NewRun):
            return _created(planned, made[planned.operation.uuid])
        if isinstance(planned, UpdateRun):
            return self.plans[planned.run_uuid].row
        return None


def _created(new: NewRun, run_id: int) -> CreatedRun:
    asked = new.operation
    row = RunRow(
        id=run_id,
        uuid=asked.uuid,
        name=new.name,
        experiment_id=asked.experiment_id,
        project_id=new.project_id,
        user_name=asked.user_name,
        status=states.RUNNING,
        start_ms=asked.start_ms,
        end_ms=None,
        lifecycle=Lifecycle.ACTIVE.value,
        version=0,
        asked_location=new.asked_location,
        kind=Run.Kind.TRACKED.value,
        dirty=CREATED,
    )
    return CreatedRun(row, list(new.tags.items()))
