"""Training: from a specification and a stored table to a learned model, in halting steps."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from experiments.data.specs import DatasetSchema, EngineError
from experiments.training import checkpoints, strategies
from experiments.training.checkpoints import OutOfFold, Store, TrainedModel
from experiments.training.control import Beat, CheckpointRule, Control
from experiments.training.frames import load_training_table
from experiments.training.hooks import Hooks, TrainOutcome
from experiments.training.labels import Labels
from experiments.training.learning import Learned, Run, State, learn_part, recover_part
from experiments.training.partition import Part, plan_parts
from experiments.training.specs import TrainingSpec

CURVE_NOTE = (
    "The validation curve is measured on held-out rows for watching only; "
    "nothing in the training depends on it."
)
EARLY_NOTE = (
    "Early stopping is decided on {n} rows set aside from the training rows; "
    "the held-out rows take no part in it."
)


def train(
    spec: TrainingSpec,
    table_path: Path,
    schema: DatasetSchema,
    *,
    work_dir: Path,
    hooks: Hooks,
    test_table: Path | None = None,
    rule: CheckpointRule | None = None,
) -> TrainOutcome:
    """Learn until done, paused or stopped, and return how it ended.

    Called again on the same ``work_dir`` after a pause, a kill or a stop it goes on from the
    last checkpoint; the model is the same as without the interruption. What was learned is
    read with ``checkpoints.load_trained``.

    Raises:
        EngineError: for data the specification does not fit, a checkpoint of another run
            ("checkpoint_mismatch"), or a fit that failed ("fit_failed", "out_of_memory").
    """
    store = Store(work_dir, spec, table_path, test_table)
    finished = store.load_own_trained()
    if finished is not None and finished.complete:
        return _outcome_of(finished)
    run = _open_run(spec, table_path, schema, store, hooks, test_table)
    run.rule = rule or run.rule
    _remark_on_data(run)
    hooks.stage("fitting", 0.0)
    with threadpool_limits(limits=spec.n_threads):
        return _learn_all(run)


def salvage(
    spec: TrainingSpec,
    table_path: Path,
    schema: DatasetSchema,
    *,
    work_dir: Path,
    hooks: Hooks,
    test_table: Path | None = None,
) -> bool:
    """Turn the last checkpoint of a run that had to be killed into a stopped model.

    Returns whether there is anything for ``checkpoints.load_trained``. Cheap: the rows are
    prepared once more, nothing is learned.

    Raises:
        EngineError: as ``train``.
    """
    store = Store(work_dir, spec, table_path, test_table)
    kept = store.load_own_trained()
    if not store.has_checkpoint or (kept is not None and kept.complete):
        return kept is not None
    run = _open_run(spec, table_path, schema, store, hooks, test_table)
    part = run.parts[run.state.part]
    learned = recover_part(run, part)
    if learned is not None:
        _keep_stopped(run, part, learned)
    return learned is not None or kept is not None


def _open_run(
    spec: TrainingSpec,
    table_path: Path,
    schema: DatasetSchema,
    store: Store,
    hooks: Hooks,
    test_table: Path | None,
) -> Run:
    hooks.stage("loading", 0.0)
    table = load_training_table(spec, table_path, schema)
    test = None if test_table is None else load_training_table(spec, test_table, schema)
    if spec.validation.kind == "test_dataset" and test is None:
        raise EngineError("no_test_table", "The validation by a test dataset needs its table.")
    return Run(
        spec=spec,
        schema=schema,
        table=table,
        test=test,
        parts=plan_parts(spec, table),
        store=store,
        beat=Beat(hooks),
        rule=CheckpointRule(),
        state=store.load_checkpoint() or State(),
    )


def _learn_all(run: Run) -> TrainOutcome:
    state = run.state
    while True:
        part = run.parts[state.part]
        wish = run.beat.hooks.should_stop()
        if wish is not None:
            return _halt(run, wish)
        learned, control = learn_part(run, part)
        if control.reason in ("pause", "stop") and learned.units_done < run.units:
            if control.reason == "stop":
                _keep_stopped(run, part, learned)
            return _halt(run, "pause" if control.reason == "pause" else "stop")
        _remark_on_end(run, part, learned, control)
        if not part.fold:
            return _complete(run, part, learned)
        _finish_fold(run, part, learned)


def _remark_on_data(run: Run) -> None:
    if run.table.n_dropped:
        run.note(f"{run.table.n_dropped} rows without a target value were left out.")
    texts = [name for name in run.spec.features if run.schema.column(name).type == "text"]
    if texts:
        run.note(f"Text columns are treated as categories: {', '.join(texts)}.")
    final = run.parts[-1]
    if len(final.aside):
        run.note(EARLY_NOTE.format(n=len(final.aside)))
    elif len(final.test) or run.test is not None:
        run.note(CURVE_NOTE)


def _remark_on_end(run: Run, part: Part, learned: Learned, control: Control) -> None:
    where = f"Fold {part.fold}: " if part.fold else ""
    unit = f"{run.spec.model.unit_name}s"
    if control.reason == "time":
        run.state.timed_out = True
        run.note(f"{where}time limit reached after {learned.units_done} of {run.units} {unit}.")
    early = control.early
    if early is not None and early.best_units and early.best_units < run.units:
        run.note(
            f"{where}ended after {learned.units_done} of {run.units} {unit}; "
            f"the best state, after {early.best_units}, is kept."
        )


def _trained(run: Run, part: Part, learned: Learned, *, complete: bool) -> TrainedModel:
    table, labels = run.table, learned.labels
    uses_test_table = run.test is not None
    folds = run.spec.validation.n_folds if run.spec.validation.kind == "kfold" else 0
    return TrainedModel(
        pipeline=learned.pipeline,
        task=run.spec.task,
        classes=None if labels is None else tuple(str(name) for name in labels.names),
        feature_names=run.spec.features,
        train_rows=table.rows[part.train],
        test_rows=run.test.rows if run.test is not None else table.rows[part.test],
        test_table=uses_test_table,
        oof=checkpoints.load_folds(run.store.work_dir, folds) if not part.fold else None,
        complete=complete,
        units_done=run.state.part * run.units + learned.units_done,
        units_total=run.units_total,
        fit_wall_s=run.state.earlier_s + run.state.part_s,
        deterministic=run.spec.model.deterministic and not run.state.timed_out,
        notes=tuple(run.state.notes),
    )


def _keep_stopped(run: Run, part: Part, learned: Learned) -> None:
    """Keep what a stopped run learned; a stop in a later fold leaves the first fold's model."""
    if part.fold > 1:
        run.beat.hooks.log(f"Stopped in fold {part.fold}: the model of fold 1 is kept.")
        return
    unit = f"{run.spec.model.unit_name}s"
    where = f" of fold {part.fold}" if part.fold else ""
    line = f"Stopped after {learned.units_done} of {run.units} {unit}{where}."
    run.beat.hooks.log(line)
    trained = _trained(run, part, learned, complete=False)
    run.store.save_trained(replace(trained, notes=(*trained.notes, line)))


def _finish_fold(run: Run, part: Part, learned: Learned) -> None:
    """Keep the fold's predictions of its held-out rows and move on to the next part."""
    rows = run.table.features.iloc[part.test]
    probabilities = None
    if learned.labels is not None and hasattr(learned.pipeline, "predict_proba"):
        narrow = np.asarray(learned.pipeline.predict_proba(rows), dtype=np.float64)
        probabilities = learned.labels.spread(narrow, Labels.of(run.table.target).names)
    predictions = np.asarray(learned.pipeline.predict(rows))
    result = OutOfFold(
        rows=run.table.rows[part.test],
        folds=np.full(len(part.test), part.fold, dtype=np.int64),
        predictions=predictions,
        probabilities=probabilities,
    )
    checkpoints.save_fold(run.store.work_dir, part.fold, result)
    if part.fold == 1:
        run.store.save_trained(_trained(run, part, learned, complete=False))
    state = run.state
    state.earlier_s += state.part_s
    state.part, state.units_done, state.part_s = state.part + 1, 0, 0.0
    state.model = state.early = None
    run.store.save_checkpoint(state)


def _complete(run: Run, part: Part, learned: Learned) -> TrainOutcome:
    run.beat.hooks.stage("saving", 1.0)
    trained = _trained(run, part, learned, complete=True)
    run.store.save_trained(trained)
    run.store.drop_checkpoint()
    return _outcome_of(trained)


def _outcome_of(trained: TrainedModel) -> TrainOutcome:
    return TrainOutcome(
        status="completed",
        units_done=trained.units_done,
        units_total=trained.units_total,
        fit_wall_s=trained.fit_wall_s,
        deterministic=trained.deterministic,
        notes=trained.notes,
    )


def _halt(run: Run, wish: str) -> TrainOutcome:
    """Write a checkpoint and return as paused or stopped."""
    state = run.state
    if not strategies.can_resume(run.spec.model_type):
        state.units_done, state.part_s = 0, 0.0
    run.store.save_checkpoint(state)
    return TrainOutcome(
        status="paused" if wish == "pause" else "stopped",
        units_done=state.part * run.units + state.units_done,
        units_total=run.units_total,
        fit_wall_s=state.earlier_s + state.part_s,
        deterministic=run.spec.model.deterministic,
        notes=tuple(state.notes),
    )
