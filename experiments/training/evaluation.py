"""From a trained model to its report: held-out rows, figures, importance, reasons, predictions."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from experiments.data.specs import DatasetSchema, EngineError
from experiments.training import importance, reasons
from experiments.training.checkpoints import TrainedModel, load_trained
from experiments.training.explain import (
    ExplainerState,
    Explanation,
    choose_tree_method,
    explain,
    prediction_s,
    prepare_explainer,
)
from experiments.training.frames import load_training_table
from experiments.training.held_out import HeldOut, collect
from experiments.training.hooks import Hooks, Wish
from experiments.training.jsonable import to_json
from experiments.training.predicting import single_threaded
from experiments.training.predictions import write_predictions
from experiments.training.reports import ReportOptions, classification_report, regression_report
from experiments.training.scores import ClassOutcome, ValueOutcome
from experiments.training.specs import TrainingSpec
from experiments.training.watch import InterruptedByUser, Watch

PREDICTIONS = "predictions.parquet"
EXPLAINER = "explainer.json"
MAX_EXPLAINED_ROWS = 1_000
IMPORTANCE_WORK_S = 15.0
MIN_IMPORTANCE_ROWS = 200
INTERRUPTED = "evaluation_interrupted"

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class EvaluationResult:
    """What an evaluation left behind.

    Attributes:
        result: the JSON-clean report.
        predictions_path: the predictions file.
        explainer: what explaining other rows needs (`ExplainerState.to_json()`); also written to
            explainer.json in the work folder.
        status: completed, or stopped if the user stopped it after the figures were there: then
            importance or reasons are missing and a note says so.
    """

    result: dict[str, Any]
    predictions_path: Path
    explainer: dict[str, Any] = field(default_factory=dict)
    status: str = "completed"


def evaluate(
    spec: TrainingSpec,
    table_path: Path,
    schema: DatasetSchema,
    *,
    work_dir: Path,
    hooks: Hooks,
    test_table: Path | None = None,
) -> EvaluationResult:
    """Evaluate the model in a work folder, complete or stopped, and write its predictions.

    Stages: evaluating, importance, explaining. A stop after the figures keeps them; the same
    specification on the same data gives the same report.

    Args:
        spec: what was trained.
        table_path: the table it was trained on.
        schema: of both tables.
        work_dir: where the training left its model.
        hooks: told of stages, asked for wishes between pieces.
        test_table: the user's own test rows, if the specification says so.

    Raises:
        EngineError: `nothing_learned`; `evaluation_interrupted` (details: wish) for a pause, or a
            stop before the figures are there; `no_test_rows` if nothing was held out.
    """
    watch = Watch(hooks)
    trained = load_trained(work_dir)
    table = load_training_table(spec, table_path, schema)
    test = load_training_table(spec, test_table, schema) if test_table is not None else None
    try:
        hooks.stage("evaluating", 0.0)
        held_out = collect(spec, trained, table, test, watch)
        result = _report(spec, trained, held_out, watch)
        hooks.stage("evaluating", 1.0)
    except InterruptedByUser as interrupted:
        raise _interruption(interrupted.wish) from None
    status, state, explained = _optional_pieces(spec, schema, trained, held_out, result, watch)
    predictions_path = work_dir / PREDICTIONS
    _write(predictions_path, held_out, explained)
    result |= {"n_train": len(trained.train_rows), "complete": trained.complete}
    result["notes"] = [*trained.notes, *result["notes"]]
    explainer = {} if state is None else state.to_json()
    (work_dir / EXPLAINER).write_text(json.dumps(explainer))
    return EvaluationResult(result, predictions_path, explainer, status)


def _interruption(wish: Wish) -> EngineError:
    words = "paused" if wish == "pause" else "stopped"
    return EngineError(INTERRUPTED, f"The evaluation was {words} before it was done.", wish=wish)


def _optional_pieces(
    spec: TrainingSpec,
    schema: DatasetSchema,
    trained: TrainedModel,
    held_out: HeldOut,
    result: dict[str, Any],
    watch: Watch,
) -> tuple[str, ExplainerState | None, list[list[dict[str, Any]]]]:
    """Add importance and reasons to the result; a stop leaves out what is not done yet."""
    result["feature_importance"] = []
    result["explanation"] = None
    try:
        with single_threaded():
            watch.hooks.stage("importance", 0.0)
            _add_importance(spec, trained, held_out, result, watch)
            watch.hooks.stage("explaining", 0.0)
            state = prepare_explainer(trained.pipeline, held_out.train_features, seed=spec.seed)
            explained = _add_reasons(schema, trained, held_out, state, result, watch)
            watch.hooks.stage("explaining", 1.0)
    except InterruptedByUser as interrupted:
        if interrupted.wish == "pause":
            raise _interruption(interrupted.wish) from None
        result["notes"].append("Stopped by the user: importance or reasons are incomplete.")
        return "stopped", None, []
    return "completed", state, explained


def _report(
    spec: TrainingSpec, trained: TrainedModel, held_out: HeldOut, watch: Watch
) -> dict[str, Any]:
    options = ReportOptions(seed=spec.seed, folds=held_out.folds, check_stop=watch.check)
    outcome, baseline = held_out.outcome, held_out.baseline
    if isinstance(outcome, ClassOutcome) and isinstance(baseline, ClassOutcome):
        unseen = outcome.labels[len(trained.classes or ()) :]
        if unseen:
            names = ", ".join(unseen[:10])
            options.notes.append(f"The model never saw these classes of the test rows: {names}.")
        return classification_report(outcome, baseline, options)
    return regression_report(cast("ValueOutcome", outcome), cast("ValueOutcome", baseline), options)


def _add_importance(
    spec: TrainingSpec,
    trained: TrainedModel,
    held_out: HeldOut,
    result: dict[str, Any],
    watch: Watch,
) -> None:
    frame, outcome = held_out.features, held_out.outcome
    n_calls = importance.N_REPEATS * min(frame.shape[1], importance.MAX_COLUMNS)
    affordable = int(IMPORTANCE_WORK_S / (n_calls * prediction_s(trained.pipeline[-1])))
    n_rows = min(len(frame), importance.MAX_ROWS, max(MIN_IMPORTANCE_ROWS, affordable))
    rng = np.random.default_rng(spec.seed)
    at = np.sort(rng.choice(len(frame), size=n_rows, replace=False))
    part = frame.iloc[at].reset_index(drop=True)
    if isinstance(outcome, ClassOutcome):
        loss, name = importance.classifier_loss(
            trained.pipeline, outcome.actual[at], outcome.labels
        )
    else:
        loss, name = importance.regressor_loss(trained.pipeline, outcome.actual[at])
    columns = importance.columns_that_matter(loss, part, seed=spec.seed, check_stop=watch.check)
    found = importance.permutation_importance(
        loss,
        part,
        columns,
        seed=spec.seed,
        check_stop=watch.check,
        on_fraction=watch.fraction("importance"),
    )
    result["feature_importance"] = to_json(found)
    result["importance"] = {
        "method": "permutation",
        "loss": name,
        "n_rows": n_rows,
        "n_repeats": importance.N_REPEATS,
        "n_columns": len(columns),
    }
    if len(columns) < frame.shape[1]:
        result["notes"].append(
            f"Importance was measured for the {len(columns)} of {frame.shape[1]:,} columns that"
            " matter most when groups of columns are shuffled together."
        )
    if held_out.folds is not None:
        result["notes"].append(
            "Importance and reasons describe the final model, which learned from all rows; the "
            "figures come from the folds."
        )


def feature_words(schema: DatasetSchema) -> dict[str, reasons.FeatureWords]:
    """Return type and unit of each column of a schema."""
    return {
        column.name: reasons.FeatureWords(column.type, column.unit) for column in schema.columns
    }


def _add_reasons(
    schema: DatasetSchema,
    trained: TrainedModel,
    held_out: HeldOut,
    state: ExplainerState,
    result: dict[str, Any],
    watch: Watch,
) -> list[list[dict[str, Any]]]:
    frame = held_out.features.iloc[:MAX_EXPLAINED_ROWS]
    outcome = held_out.outcome
    codes = outcome.predicted[: len(frame)] if isinstance(outcome, ClassOutcome) else None
    used = choose_tree_method(trained.pipeline, state, len(frame))
    found = explain(
        trained.pipeline,
        frame,
        codes,
        used,
        check_stop=watch.check,
        on_fraction=watch.fraction("explaining"),
    )
    if found is None:
        result["explanation"] = {"method": "none", "base_value": None, "rows_explained": 0}
        return []
    result["explanation"] = _explanation_summary(found, used, outcome, codes)
    toward = None
    if isinstance(outcome, ClassOutcome) and codes is not None:
        toward = [outcome.labels[code] for code in codes]
    part = frame.iloc[: len(found.contributions)]
    return reasons.row_reasons(part, found.contributions, feature_words(schema), toward)


def _explanation_summary(
    found: Explanation,
    used: ExplainerState,
    outcome: ClassOutcome | ValueOutcome,
    codes: IntArray | None,
) -> dict[str, Any]:
    base: Any = float(found.base[0])
    if isinstance(outcome, ClassOutcome) and codes is not None:
        part = codes[: len(found.base)]
        base = {
            outcome.labels[code]: float(found.base[part == code][0]) for code in np.unique(part)
        }
    summary: dict[str, Any] = to_json(
        {
            "method": used.method,
            "exact": used.method in {"linear", "tree"},
            "output": found.output,
            "base_value": base,
            "rows_explained": len(found.contributions),
        }
    )
    return summary


def _write(path: Path, held_out: HeldOut, explained: list[list[dict[str, Any]]]) -> None:
    outcome = held_out.outcome
    if isinstance(outcome, ClassOutcome):
        names = np.asarray(outcome.labels, dtype=object)
        write_predictions(
            path,
            rows=held_out.rows,
            actual=names[outcome.actual].tolist(),
            prediction=names[outcome.predicted].tolist(),
            labels=outcome.labels,
            probabilities=outcome.probabilities,
            reasons=explained,
        )
        return
    write_predictions(
        path,
        rows=held_out.rows,
        actual=outcome.actual,
        prediction=outcome.predicted,
        labels=None,
        probabilities=None,
        reasons=explained,
    )
