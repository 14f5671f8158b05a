"""Query counts of pages and lists: the golden numbers, and that they do not grow with rows.

After a change that is meant: ``UPDATE_QUERY_COUNTS=1 pytest tests/perf`` and look at the difference.
"""

import json
import os
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import get_resolver

from experiments.models import Run
from platform_site.jobs.engine_host import _host
from registry.models import PredictionBatch
from tests.perf.filling import Amounts, deepen, make_original, multiply

GOLDEN = Path(__file__).parent / "query_counts.json"
UPDATE = os.environ.get("UPDATE_QUERY_COUNTS") == "1"
FEW, MANY = 5, 25
MOST_QUERIES = 12

pytestmark = [
    pytest.mark.django_db,  # makes the database; the rows are the module's own, see `measured`
    pytest.mark.timeout(300),  # one filling, then every address four times
]


# Answers that never end, addresses that only take effect, files, and what reads no rows.
NOT_MEASURED = frozenset(
    """
    set_language
    accounts:login accounts:logout accounts:sign-up accounts:first-sign-in accounts:set-password
    api-auth-token api-auth-logout
    live-stream api-training-stream
    api-version-file api-dataset-download experiments:dataset-download api-batch-result
    experiments:run-predictions-export api-schema
    experiments:saved-view-delete experiments:run-artifact-file experiments:trace-detail
    """.split()
)


def routes(resolver=None, prefix="", namespace=""):
    """Yield (name, pattern) of every named route of ours; the console has its own tests."""
    for entry in (resolver or get_resolver()).url_patterns:
        path = prefix + str(entry.pattern)
        if hasattr(entry, "url_patterns"):
            inner = ":".join(filter(None, (namespace, entry.namespace)))
            yield from routes(entry, path, inner)
        elif entry.name and not path.startswith("admin/") and "admin" not in namespace:
            yield ":".join(filter(None, (namespace, entry.name))), "/" + path


def fill_in(pattern: str, values: dict[str, object]) -> str:
    """Return the address with values for its parameters."""
    for name, value in values.items():
        for kind in ("int", "str"):
            pattern = pattern.replace(f"<{kind}:{name}>", str(value))
    return pattern


def addresses(original, batch_id: int) -> dict[str, str]:
    """Return name → address of every page and list; several addresses where one is not enough."""
    values = {
        "uuid": original.run.uuid, "job_id": original.run.job_id, "number": 1,
        "dataset_id": original.version.dataset_id, "name": original.model_version.model.name,
        "experiment_id": original.run.experiment_id,
        "project_id": original.project.pk, "user_id": original.by.pk, "batch_id": batch_id,
        "trace_id": original.trace.trace_id,
    }  # fmt: skip
    found = {
        name: fill_in(pattern, values)
        for name, pattern in routes()
        if name not in NOT_MEASURED and "token_key" not in pattern
    }
    explain = f"{found['experiments:run-explain']}?row=0"
    train, runs = found["experiments:training-new"], found["experiments:run-list"]
    compare, series = found["experiments:run-compare"], found["experiments:run-series"]
    compared = "runs=" + ",".join(Run.objects.order_by("id").values_list("uuid", flat=True)[:3])
    queries = {
        "experiments:run-explain": explain,
        "experiments:training-new": f"{train}?dataset={original.version.dataset_id}&target=kind",
        "experiments:dataset-target": f"{found['experiments:dataset-target']}?target=kind",
        "api-dataset-target": f"{found['api-dataset-target']}?target=kind",
        "live-events": f"{found['live-events']}?topic=run:{original.run.uuid}&after=0",
        "web:search": f"{found['web:search']}?q=i",
        "experiments:run-list, filtered": f"{runs}?q=i&sort=-metrics.train_loss",
        "experiments:run-list, grouped": f"{runs}?group=params.param_1&cols=params.param_2",
        "experiments:run-series": f"{series}?key=train_loss",
        "experiments:run-compare": f"{compare}?{compared}",
        "experiments:run-compare-series": f"{compare}series/?{compared}&key=train_loss",
        "experiments:dataset-list, searched": f"{found['experiments:dataset-list']}?search=s",
    }
    return found | queries


def count_queries(client, pages: dict[str, str]) -> dict[str, list[str]]:
    """Return name → the SQL of one warm request, for all that answer a GET."""
    found, refused = {}, {}
    for name, address in pages.items():
        first = client.get(address)
        if first.status_code == 405:
            continue
        with CaptureQueriesContext(connection) as captured:
            answer = client.get(address)
        if answer.status_code not in {200, 302}:
            refused[address] = (answer.status_code, answer.content[:200])
        found[name] = [query["sql"] for query in captured]
    assert not refused, f"give `addresses` the parameters that these need: {refused}"
    return found


@pytest.fixture(scope="module")
def measured(django_db_setup, django_db_blocker, tmp_path_factory):
    """Return (queries with few rows, queries with many), one filling for all tests here."""
    from django.core.management import call_command
    from django.test import Client, override_settings

    from tests.people import person, project_of

    data_dir = tmp_path_factory.mktemp("perf")
    for name in ("blobs", "incoming", "jobs", "logs", "run"):
        (data_dir / name).mkdir(mode=0o700)
    incoming = str(data_dir / "incoming")
    with (
        django_db_blocker.unblock(),
        override_settings(DATA_DIR=data_dir, FILE_UPLOAD_TEMP_DIR=incoming),
    ):
        try:
            root = person("root", is_staff=True, is_superuser=True)
            original = make_original(project_of((root, "administrator")), root)
            client = Client()
            client.force_login(root)
            results = []
            for rows in (FEW, MANY - FEW):
                multiply(original, Amounts(runs=rows, datasets=rows, models=rows))
                deepen(original, rows)
                batch = PredictionBatch.objects.latest("id").pk
                results.append(count_queries(client, addresses(original, batch)))
            yield tuple(results)
        finally:
            _host.close()
            call_command("flush", interactive=False, verbosity=0)


def test_no_page_and_no_list_asks_more_when_there_are_more_rows(measured):
    few, many = measured
    assert set(few) == set(many)
    grown = {
        name: f"{len(few[name])} -> {len(many[name])}: " + " ;; ".join(extra(few[name], many[name]))
        for name in few
        if len(many[name]) > len(few[name])
    }
    assert not grown


def extra(few: list[str], many: list[str]) -> list[str]:
    """Return what is asked only with many rows, shortened: the hint at where to look."""
    return [sql[:160] for sql in many if sql not in set(few)][:4]


def test_every_page_and_list_asks_as_often_as_agreed(measured):
    counts = {name: len(queries) for name, queries in sorted(measured[1].items())}
    if UPDATE:
        GOLDEN.write_text(json.dumps(counts, indent=2) + "\n", encoding="utf-8")
    assert counts == json.loads(GOLDEN.read_text(encoding="utf-8"))


def test_no_page_and_no_list_needs_many_queries(measured):
    assert {n: len(q) for n, q in measured[1].items() if len(q) > MOST_QUERIES} == {}
