"""Learning one model: prepared rows in, a plain pipeline or a halted state out."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import Pipeline

from experiments.data.specs import DatasetSchema, EngineError
from experiments.training import estimators, strategies
from experiments.training.checkpoints import Store
from experiments.training.control import Beat, CheckpointRule, Control
from experiments.training.frames import TrainingTable, numeric_features
from experiments.training.labels import Labels, give_labels
from experiments.training.metrics_live import (
    ONESHOT_SAMPLE_ROWS,
    SAMPLE_ROWS,
    Curves,
    Sample,
    draw_sample,
)
from experiments.training.partition import Part
from experiments.training.specs import TrainingSpec
from experiments.training.stopping import EarlyStopping
from experiments.training.strategies import Material

SCALED_TARGET = ("sgd", "mlp")


@dataclass
class State:
    """Where a run stands: what a checkpoint holds."""

    part: int = 0
    units_done: int = 0
    part_s: float = 0.0
    earlier_s: float = 0.0
    model: Any = None
    early: EarlyStopping | None = None
    notes: list[str] = field(default_factory=list)
    timed_out: bool = False


@dataclass
class Run:
    """Everything a run's steps share."""

    spec: TrainingSpec
    schema: DatasetSchema
    table: TrainingTable
    test: TrainingTable | None
    parts: list[Part]
    store: Store
    beat: Beat
    rule: CheckpointRule
    state: State

    @property
    def units(self) -> int:
        """Return the units of one part."""
        name = self.spec.model.units
        return int(self.spec.hyperparameters[name]) if name else 1

    @property
    def units_total(self) -> int:
        """Return the units of all parts."""
        return self.units * len(self.parts)

    def note(self, line: str) -> None:
        """Keep a remark for the report and write it to the log, once."""
        if line not in self.state.notes:
            self.state.notes.append(line)
            self.beat.hooks.log(line)


@dataclass
class Learned:
    """One part's model: complete, or as far as it got."""

    pipeline: Pipeline
    labels: Labels | None
    units_done: int


@dataclass(frozen=True)
class Target:
    """What is predicted, as the models learn it.

    ``values`` are class numbers or numbers. A regression target that is standardised for
    learning has its ``mean`` and ``scale``; otherwise these are 0 and 1.
    """

    values: NDArray[Any]
    labels: Labels | None
    mean: float = 0.0
    scale: float = 1.0

    @classmethod
    def of(cls, spec: TrainingSpec, raw: NDArray[Any]) -> "Target":
        """Return the target of training rows."""
        if spec.task == "classification":
            labels = Labels.of(raw)
            return cls(labels.encode(raw), labels)
        if spec.model_type not in SCALED_TARGET:
            return cls(raw, None)
        return cls(raw, None, float(np.mean(raw)), float(np.std(raw)) or 1.0)

    @property
    def is_scaled(self) -> bool:
        """Say whether the model learns something else than ``values``."""
        return (self.mean, self.scale) != (0.0, 1.0)

    def scaled(self) -> NDArray[Any]:
        """Return what the model learns."""
        return (self.values - self.mean) / self.scale if self.is_scaled else self.values

    def material(self, spec: TrainingSpec, inputs: NDArray[np.float64]) -> Material:
        """Return inputs and target together."""
        weights = None if self.labels is None else estimators.class_weights(spec, self.values)
        return Material(
            inputs=inputs,
            target=self.scaled(),
            sample_weight=weights,
            n_classes=0 if self.labels is None else len(self.labels.names),
            seed=spec.seed,
        )


def learn_part(run: Run, part: Part) -> tuple[Learned, Control]:
    """Learn the model of ``part`` until done or halted; ``run.state`` says how far it got.

    Raises:
        EngineError: "fit_failed" or "out_of_memory"; "too_few_rows" for too many neighbours.
    """
    spec, state = run.spec, run.state
    run.beat.hooks.stage("preparing", state.part / len(run.parts))
    _check_neighbours(spec, len(part.train))
    with _plain_errors(run):
        pipeline, target, inputs = _prepare(run, part)
        control = _control(run, part, _samples(run, part, pipeline, target, inputs), target)
        model = pipeline[-1] if state.model is None else state.model
        run.beat.hooks.stage("fitting", state.part / len(run.parts))
        control.start()
        learn = strategies.strategy_of(spec.model_type)
        model = learn(model, target.material(spec, inputs), control)
    state.part_s, state.units_done = control.learned_s, control.units_done
    state.model = model if strategies.can_resume(spec.model_type) else None
    state.early = control.early
    if control.reason == "pause" and control.units_done < run.units:
        return Learned(pipeline, target.labels, control.units_done), control
    if control.early is not None and control.early.best_model is not None:
        model = control.early.best_model
    if control.reason == "stop":
        # The run may be taken up again: later learning must not reach the kept model.
        model = strategies.detach(model)
    return _plain_pipeline(spec, pipeline, model, control.units_done, target), control


def recover_part(run: Run, part: Part) -> Learned | None:
    """Return the model in the checkpoint of a run that was killed, or None if it has none."""
    state = run.state
    if state.model is None or state.units_done == 0:
        return None
    with _plain_errors(run):
        pipeline, target, _ = _prepare(run, part)
    best = state.early.best_model if state.early is not None else None
    model = strategies.detach(state.model if best is None else best)
    return _plain_pipeline(run.spec, pipeline, model, state.units_done, target)


def _prepare(run: Run, part: Part) -> tuple[Pipeline, Target, NDArray[np.float64]]:
    """Return the pipeline with its preparation fitted, the target, and the prepared rows."""
    spec = run.spec
    target = Target.of(spec, run.table.target[part.train])
    features = run.table.features.iloc[part.train]
    codes = None if target.labels is None else target.values
    facts = estimators.Facts.of(features, numeric_features(spec, run.schema), codes)
    pipeline = estimators.build_pipeline(spec, facts)
    inputs = np.asarray(pipeline[0].fit_transform(features, target.values))
    return pipeline, target, inputs


def _plain_pipeline(
    spec: TrainingSpec, pipeline: Pipeline, model: Any, units_done: int, target: Target
) -> Learned:
    """Return the pipeline of a learned model without traces of how it was learned."""
    model = strategies.finish(model, seed=spec.seed)
    if target.is_scaled:
        strategies.unscale_target(model, mean=target.mean, scale=target.scale)
    if target.labels is not None:
        give_labels(model, target.labels)
    plain = Pipeline([(estimators.PREPARE, pipeline[0]), (estimators.MODEL, model)])
    estimators.drop_splitters(plain)
    return Learned(plain, target.labels, units_done)


def _control(run: Run, part: Part, samples: list[Sample], target: Target) -> Control:
    state, spec = run.state, run.spec
    classification = spec.task == "classification"
    curves = Curves(samples, classification=classification, prefix=part.prefix)
    if target.is_scaled:
        curves.inverse = lambda values: values * target.scale + target.mean
    early = state.early
    if early is None and len(part.aside):
        early = EarlyStopping(run.units, int(spec.hyperparameters["patience"]))
    resumable = strategies.can_resume(spec.model_type)

    def save(units_done: int, frozen: Any) -> None:
        now = State(
            part=state.part,
            units_done=units_done,
            part_s=control.learned_s,
            earlier_s=state.earlier_s,
            model=frozen,
            early=control.early,
            notes=state.notes,
            timed_out=state.timed_out,
        )
        run.store.save_checkpoint(now)

    control = Control(
        beat=run.beat,
        units=run.units,
        units_before=state.part * run.units,
        units_total=run.units_total,
        curves=curves,
        save=save,
        rule=run.rule,
        early=early,
        can_resume=resumable,
        time_limit_s=_part_limit_s(run),
        learned_before_s=state.part_s,
        units_done=state.units_done if resumable else 0,
    )
    return control


def _part_limit_s(run: Run) -> float | None:
    """Return the part's share of what is left of the time limit."""
    limit_s = run.spec.time_limit_s
    if limit_s is None:
        return None
    return max(0.0, limit_s - run.state.earlier_s) / (len(run.parts) - run.state.part)


def _samples(
    run: Run, part: Part, pipeline: Pipeline, target: Target, inputs: NDArray[np.float64]
) -> list[Sample]:
    """Return the rows curves are measured on: of the training, and rows it does not see."""
    seed = run.spec.seed
    limit = ONESHOT_SAMPLE_ROWS if run.spec.model.strategy == "oneshot" else SAMPLE_ROWS
    train = draw_sample("train", inputs, target.values, seed=seed, limit=limit)
    if len(part.aside):
        table, positions = run.table, part.aside
    elif len(part.test):
        table, positions = run.table, part.test
    elif run.test is not None:
        table, positions = run.test, np.arange(len(run.test.rows), dtype=np.int64)
    else:
        return [train]
    raw = table.target[positions]
    values = raw if target.labels is None else target.labels.encode(raw)
    chosen = draw_sample("validation", positions[:, None], values, seed=seed, limit=limit)
    rows = cast("NDArray[np.int64]", chosen.inputs[:, 0])
    chosen.inputs = np.ascontiguousarray(pipeline[0].transform(table.features.iloc[rows]))
    return [train, chosen]


def _check_neighbours(spec: TrainingSpec, n_rows: int) -> None:
    neighbours = spec.hyperparameters.get("n_neighbors")
    if neighbours is not None and neighbours > n_rows:
        raise EngineError(
            "too_few_rows",
            f"{neighbours} neighbours need at least as many training rows; there are {n_rows}.",
        )


@contextmanager
def _plain_errors(run: Run) -> Iterator[None]:
    """Turn what scikit-learn raises and warns into words naming the model and the stage."""
    title = run.spec.model.title
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        try:
            yield
        except MemoryError as error:
            raise EngineError(
                "out_of_memory",
                f"{title} needs more memory than the run may use. Take fewer rows or features, "
                "a smaller model, or raise the limit.",
                stage="fitting",
            ) from error
        except (ValueError, ArithmeticError, np.linalg.LinAlgError) as error:
            first_line = (str(error).splitlines() or [type(error).__name__])[0]
            raise EngineError(
                "fit_failed", f"{title} could not learn: {first_line}", stage="fitting"
            ) from error
    for warning in caught:
        if issubclass(warning.category, ConvergenceWarning):
            run.note(f"{title} had not converged when it reached its largest number of steps.")
        else:
            warnings.warn_explicit(
                warning.message, warning.category, warning.filename, warning.lineno
            )
