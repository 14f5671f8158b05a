"""An installation with one of everything in it, for tests that throw rubbish at all of it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from django.core.management import call_command
from django.test import override_settings

from experiments.models import Dataset, Experiment, SavedView, Span, Trace, TraceRun
from experiments.tracking.keys import key_ids
from registry.services.versions import register_run
from tests.experiments.dataset_help import do_job, upload
from tests.experiments.training_help import finished_run
from tests.people import person, project_of

# What people may type as a name and what must never do anything on a page.
PAYLOADS = (
    '"><img src=x onerror=fetch("/xss")>',
    "</script><svg onload=alert(1)>",
    "javascript:alert(1)",
    "{{7*7}}{% load log %}{{settings.SECRET_KEY}}",
    "'-alert(1)-'",
)
MARK = PAYLOADS[0]


@contextmanager
def one_of_everything(data_dir: Path) -> Iterator[SimpleNamespace]:
    """Make people, a dataset, a run, a model version and predictions, named by an attacker."""
    for name in ("blobs", "incoming", "jobs", "logs", "run", "static"):
        (data_dir / name).mkdir(mode=0o700, parents=True)
    with override_settings(DATA_DIR=data_dir, FILE_UPLOAD_TEMP_DIR=str(data_dir / "incoming")):
        try:
            yield _build()
        finally:
            call_command("flush", interactive=False, verbosity=0)
            shutil.rmtree(data_dir)


def _build() -> SimpleNamespace:
    alice, bob, charlie = person("alice"), person("bob"), person("charlie")
    root = person("root", is_staff=True, is_superuser=True)
    project = project_of((alice, "editor"), (bob, "viewer"))
    type(project).objects.filter(pk=project.pk).update(description=" ".join(PAYLOADS))
    people = SimpleNamespace(alice=alice, bob=bob, charlie=charlie, root=root, project=project)
    run = finished_run(people, content=_table(), name=MARK, register_as="star model")
    type(run).objects.filter(pk=run.pk).update(name=" ".join(PAYLOADS), notes=list(PAYLOADS))
    dataset = Dataset.objects.get(pk=run.dataset_version.dataset_id)
    type(dataset).objects.filter(pk=dataset.pk).update(description=" ".join(PAYLOADS))
    failed = upload(project, alice, b"a,b\n1\n", name=PAYLOADS[1], file_name=f"{MARK}.csv").version
    do_job(failed.job)
    version = register_run(run=run, name="star model", by=alice)
    type(version).objects.filter(pk=version.pk).update(card=" ".join(PAYLOADS))
    type(version.model).objects.filter(pk=version.model_id).update(description=" ".join(PAYLOADS))
    run.refresh_from_db()
    trace, view = _logged(run, alice)
    return SimpleNamespace(
        **vars(people), run=run, dataset=dataset, version=version, failed=failed.dataset,
        trace=trace, view=view,
    )  # fmt: skip


def _logged(run: Any, by: Any) -> tuple[Trace, SavedView]:
    """Give the run an experiment, tags, a trace and a view that an attacker named."""
    text = " ".join(PAYLOADS)
    Experiment.objects.filter(pk=run.experiment_id).update(name=MARK, description=text)
    ids = key_ids(PAYLOADS)
    run.tags.bulk_create(run.tags.model(run=run, key_id=one, value=text) for one in ids.values())
    trace = Trace.objects.create(
        trace_id="tr-" + "a" * 32, experiment_id=run.experiment_id, name=MARK, request_ms=1,
        request_preview=text, response_preview=text,
    )  # fmt: skip
    TraceRun.objects.create(trace=trace, run=run)
    Span.objects.create(trace=trace, span_id="b" * 16, name=MARK, start_ns=1, end_ns=2)
    view = SavedView.objects.create(
        project_id=run.project_id, name=PAYLOADS[1][:100], query={"q": text}, is_shared=True,
        created_by=by, created_at=run.created_at,
    )  # fmt: skip
    return trace, view


def _table() -> bytes:
    """A small table whose column names, categories and target are all written by an attacker."""
    quoted = [f'"{one.replace(chr(34), chr(34) * 2)}"' for one in PAYLOADS]
    lines = [",".join(["size", *quoted[:2], "kind", "mass"])]
    for number in range(60):
        lines.append(
            f"{number % 17},{quoted[number % 5]},{number % 7},{quoted[2 + number % 2]},{number}"
        )
    return ("\n".join(lines) + "\n").encode()


def addresses(world: Any) -> dict[str, str]:
    """Return what every parameter of a route is in this world."""
    return {
        "dataset_id": str(world.dataset.pk), "number": "1", "job_id": str(world.run.job_id),
        "name": "star model", "uuid": world.run.uuid, "project_id": str(world.project.pk),
        "user_id": str(world.bob.pk), "token_key": "assay_0123456", "batch_id": "1",
        "secret": "x", "uidb64": "x", "token": "x", "trace_id": world.trace.trace_id,
        "experiment_id": str(world.run.experiment_id), "view_id": str(world.view.pk),
    }  # fmt: skip
