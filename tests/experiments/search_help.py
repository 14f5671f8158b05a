"""Rows to search in, written straight into the tables."""

from itertools import count

from experiments.models import (
    DatasetInput,
    Experiment,
    ExperimentTag,
    Key,
    LatestMetric,
    LoggedDataset,
    Run,
    RunParam,
    RunTag,
)
from platform_site.core.clock import now

_numbers = count(1)


def key_id(name):
    return Key.objects.get_or_create(name=name)[0].pk


def experiment_of(project, name="", tags=None, **fields):
    moment = fields.pop("at", None) or now()
    experiment = Experiment.objects.create(
        project=project,
        name=name or f"experiment {next(_numbers)}",
        created_at=moment,
        updated_at=fields.pop("updated_at", moment),
        **fields,
    )
    for key, value in (tags or {}).items():
        ExperimentTag.objects.create(experiment=experiment, key=key, value=value)
    return experiment


def run_of(experiment, by, *, metrics=None, params=None, tags=None, datasets=(), **fields):
    """Metrics are numbers, None for NaN; datasets are (name, digest, context)."""
    run = Run.objects.create(
        project_id=experiment.project_id,
        experiment=experiment,
        kind=Run.Kind.TRACKED,
        created_by=by,
        created_at=now(),
        **{"name": "run", "status": "completed", "start_ms": 0, **fields},
    )
    for key, value in (metrics or {}).items():
        LatestMetric.objects.create(
            run=run, key_id=key_id(key), step=0, timestamp_ms=0, value=value or 0.0,
            is_nan=value is None,
        )  # fmt: skip
    for key, value in (params or {}).items():
        RunParam.objects.create(run=run, key_id=key_id(key), value=value)
    for key, value in (tags or {}).items():
        RunTag.objects.create(run=run, key_id=key_id(key), value=value)
    for name, digest, context in datasets:
        dataset, _ = LoggedDataset.objects.get_or_create(
            experiment=experiment, name=name, digest=digest
        )
        DatasetInput.objects.create(run=run, dataset=dataset, context=context)
    return run
