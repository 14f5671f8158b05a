"""Runs made the whole way: a small table, a training's job done in this process, its report."""

import random

from experiments.models import Run
from experiments.services.runs import start_training
from experiments.services.training_requests import TrainingRequest
from tests.experiments.dataset_help import do_job, ready_version

N_ROWS = 120


def stars_csv(n_rows: int = N_ROWS, seed: int = 7) -> bytes:
    """Return stars whose kind follows their size, with noise; one formula hides among the names."""
    rng = random.Random(seed)
    lines = ["size,depth,colour,hot,kind,mass"]
    for number in range(n_rows):
        size = rng.uniform(0, 10)
        kind = "giant" if size + rng.gauss(0, 1.5) > 5 else "=dwarf"
        colour = rng.choice(["red", "blue", ""])
        hot = rng.choice(["true", "false"])
        depth = "" if number % 11 == 0 else f"{rng.uniform(1, 2):.3f}"
        mass = 3 * size + rng.gauss(0, 1)
        lines.append(f"{size:.3f},{depth},{colour},{hot},{kind},{mass:.3f}")
    return ("\n".join(lines) + "\n").encode()


def request_for(version, **changes) -> TrainingRequest:
    """Return a quick specification: a decision tree for the kind of star."""
    wanted = {
        "target": "kind",
        "model_type": "decision_tree",
        "hyperparameters": {"max_depth": 3},
        "exclude": ["mass"],
        "validation": {"kind": "stratified", "test_fraction": 0.25},
        **changes,
    }
    return TrainingRequest(version=version, **wanted)


def queued_run(people, *, name="Stars", content=None, **changes) -> Run:
    """Return a run in line, on a fresh dataset."""
    data = stars_csv() if content is None else content
    version = ready_version(people.project, people.alice, data, name=name)
    return start_training(
        project=people.project, by=people.alice, request=request_for(version, **changes)
    )


def finished_run(people, **changes) -> Run:
    """Return a run that was trained, evaluated and packaged."""
    run = queued_run(people, **changes)
    do_job(run.job)
    return Run.objects.select_related("job").get(pk=run.pk)


def regression_run(people, **changes) -> Run:
    """Return a finished run for the mass of a star."""
    wanted = {
        "target": "mass",
        "model_type": "ridge",
        "hyperparameters": {},
        "exclude": ["kind"],
        "validation": {"kind": "split", "test_fraction": 0.25},
        **changes,
    }
    return finished_run(people, **wanted)
