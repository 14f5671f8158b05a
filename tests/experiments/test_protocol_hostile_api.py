"""What hostile clients send to the protocol's runs and experiments: refused, bounded, never a 500."""

import pytest

from experiments.models import Experiment, MetricTail, Run
from tests.experiments.protocol_help import ProtocolClient
from tests.people import project_of

MS = 1_700_000_000_000


@pytest.fixture
def alice(people):
    return ProtocolClient(people.alice)


@pytest.fixture
def experiment(alice) -> str:
    return alice.post("experiments/create", {"name": "stars"}).json()["experiment_id"]


@pytest.fixture
def run(alice, experiment) -> str:
    made = alice.post("runs/create", {"experiment_id": experiment, "start_time": MS}).json()
    return made["run"]["info"]["run_id"]


FILTERS = [
    "run.__class__.__mro__ = 'x'",
    "metrics.a > 0 and __import__('os') = 'x'",
    "metrics.a > 0 OR 1=1",
    "metrics.a > 0; DROP TABLE experiments_run",
    "metrics.a > 0 -- comment",
    "params.`a` = 'x' UNION SELECT 1",
    "created_by.password LIKE 'a%'",
    "attributes.created_by__password LIKE 'a%'",
    "owner__password__startswith = 'pbkdf2'",
    "metrics.a > 1e999",
    "metrics.a > nan",
    "metrics.a > 99999999999999999999999999999999999999999999x",
    "(metrics.a > 0)",
    "run_id IN (" + ", ".join(["'x'"] * 100_000) + ")",
    " and ".join(["metrics.a > 0"] * 2000),
    "tags." + "a" * 1_000_000 + " = 'x'",
    "name = '" + "%" * 100_000 + "' and name LIKE '" + "%_" * 50_000 + "'",
    "\u0000",
    "metrics.`a\u0000` > 0",
    "start_time > 99999999999999999999999999",
]
ORDERS = ["created_by.password", "owner__password", "metrics.a; DROP TABLE x", "a b c d", "-", "id"]


@pytest.mark.parametrize("filter_text", FILTERS, ids=lambda text: text[:40].replace("\x00", "0"))
def test_no_filter_reaches_more_than_its_language(alice, experiment, run, filter_text):
    body = {"experiment_ids": [experiment], "filter": filter_text}
    for path, content in (
        ("runs/search", body),
        ("experiments/search", {"filter": filter_text, "max_results": 10}),
    ):
        answer = alice.post(path, content)
        assert answer.status_code in (200, 400), answer.content
        assert "password" not in answer.content.decode() or answer.status_code == 400
    assert Run.objects.count() == 1


def test_no_order_reaches_more_than_its_language(alice, experiment, run):
    for order in ORDERS:
        body = {"experiment_ids": [experiment], "order_by": [order]}
        assert alice.post("runs/search", body).status_code == 400, order
        assert alice.post("experiments/search", {"order_by": [order]}).status_code == 400, order
    many = {"experiment_ids": [experiment], "order_by": ["metrics.a"] * 10_000}
    assert alice.post("runs/search", many).status_code == 400


def test_page_tokens_are_not_taken_from_elsewhere(alice, people, experiment):
    for _ in range(3):
        alice.post("runs/create", {"experiment_id": experiment})
    body = {"experiment_ids": [experiment], "max_results": 1}
    token = alice.post("runs/search", body).json()["next_page_token"]
    assert alice.post("runs/search", {**body, "page_token": token}).status_code == 200
    for bad in (token[:-1], token + "x", "", "x" * 100_000, "eyJvZmZzZXQiOiA1fQ=="):
        answer = alice.post("runs/search", {**body, "page_token": bad})
        assert answer.status_code == (400 if bad else 200), bad[:50]
    other = {**body, "page_token": token, "filter": "metrics.a > 0"}
    assert alice.post("runs/search", other).status_code == 400
    foreign = {"max_results": 1, "page_token": token}
    assert alice.post("experiments/search", foreign).status_code == 400


def test_fields_that_are_not_the_clients_are_ignored(alice, people, experiment):
    body = {
        "experiment_id": experiment,
        "start_time": MS,
        "id": 77,
        "uuid": "f" * 32,
        "run_id": "f" * 32,
        "run_uuid": "f" * 32,
        "project_id": 99,
        "created_by": people.root.pk,
        "status": "FINISHED",
        "lifecycle": "deleted",
        "is_staff": True,
    }
    made = alice.post("runs/create", body).json()["run"]["info"]
    run = Run.objects.get(uuid=made["run_id"])
    assert run.uuid != "f" * 32
    assert (run.created_by, run.project, run.status) == (people.alice, people.project, "running")
    number = alice.post("experiments/create", {"name": "x", "id": 0, "is_default": True}).json()
    assert Experiment.objects.get(pk=number["experiment_id"]).is_default is False


def test_things_of_other_projects_are_not_there(people, alice, experiment, run):
    project_of((people.charlie, "administrator"), name="Moons")
    charlie = ProtocolClient(people.charlie)
    theirs = charlie.post("experiments/create", {"name": "theirs"}).json()["experiment_id"]
    assert charlie.get("experiments/get", {"experiment_id": experiment}).status_code == 404
    assert charlie.post("runs/create", {"experiment_id": experiment}).status_code == 404
    both = {"experiment_ids": [experiment, theirs], "run_view_type": "ALL"}
    assert charlie.post("runs/search", both).json() == {}
    here = ProtocolClient(people.charlie, **{"X-MLFLOW-WORKSPACE": "stars"})
    assert here.post("experiments/search", {"max_results": 5}).status_code == 404
    number = ProtocolClient(people.charlie, **{"X-Assay-Project": str(people.project.pk)})
    assert number.post("experiments/create", {"name": "y"}).status_code == 404
    two = {"X-MLFLOW-WORKSPACE": "moons", "X-Assay-Project": "stars"}
    assert ProtocolClient(people.root, **two).get("experiments/search").status_code == 400
    assert Experiment.objects.filter(project__slug="stars").count() == 1


def test_a_repeated_batch_costs_and_changes_nothing(alice, run):
    body = {
        "run_id": run,
        "metrics": [{"key": "m", "value": 1, "timestamp": MS, "step": 1}] * 999,
        "params": [{"key": "p", "value": "1"}],
    }
    for _ in range(3):
        assert alice.post("runs/log-batch", body).status_code == 200
    assert MetricTail.objects.count() == 1
    history = alice.get("metrics/get-history", {"run_id": run, "metric_key": "m"}).json()
    assert len(history["metrics"]) == 1


@pytest.mark.parametrize(
    ("step", "timestamp", "status"),
    [
        (-1, 0, 200),
        (-(2**63), 0, 200),
        (2**63 - 1, 253_402_300_799_999, 200),
        (0, 2**63 - 1, 200),
        (2**63, 0, 400),
        (0, 2**63, 400),
        (2**70, 0, 400),
        (1.5, 0, 400),
        (True, 0, 400),
    ],
)
def test_steps_and_times_have_64_bits(alice, run, step, timestamp, status):
    point = {"key": "m", "value": 1, "timestamp": timestamp, "step": step}
    assert alice.post("runs/log-metric", {"run_id": run, **point}).status_code == status
    batch = {"run_id": run, "metrics": [point]}
    assert alice.post("runs/log-batch", batch).status_code == status
    if status == 200:
        found = alice.get("runs/get", {"run_id": run}).json()["run"]["data"]["metrics"]
        assert (found[0]["step"], found[0]["timestamp"]) == (step, timestamp)


def test_times_of_runs_may_lie_outside_any_calendar(alice, experiment):
    for start in (1, 2**63 - 1, -(2**63)):
        made = alice.post("runs/create", {"experiment_id": experiment, "start_time": start}).json()
        info = made["run"]["info"]
        assert info["start_time"] == start
        body = {"run_id": info["run_id"], "end_time": 2**63 - 1}
        assert alice.post("runs/update", body).json()["run_info"]["end_time"] == 2**63 - 1
    found = alice.post("runs/search", {"experiment_ids": [experiment]}).json()["runs"]
    assert len(found) == 3
    assert (
        alice.post("runs/create", {"experiment_id": experiment, "start_time": 2**63}).status_code
        == 400
    )


def test_long_names_are_refused_before_work_is_done(alice, run, experiment):
    long = "x" * 10_000_000
    bodies = [
        ("runs/log-metric", {"run_id": run, "key": long, "value": 1, "timestamp": 0}),
        ("runs/log-metric", {"run_id": long, "key": "a", "value": 1, "timestamp": 0}),
        ("runs/set-tag", {"run_id": run, "key": long, "value": ""}),
        ("runs/update", {"run_id": run, "run_name": long}),
        ("runs/create", {"experiment_id": experiment, "run_name": long}),
        ("runs/create", {"experiment_id": experiment, "user_id": long}),
        ("runs/create", {"experiment_id": long}),
        ("experiments/create", {"name": long}),
        ("experiments/create", {"name": "a", "artifact_location": long}),
        ("experiments/search", {"page_token": long}),
        ("runs/search", {"experiment_ids": [experiment], "filter": long}),
    ]
    for path, body in bodies:
        answer = alice.post(path, body)
        assert answer.status_code == 400, (path, answer.status_code)
        assert len(answer.content) < 2000, path
    many = {"experiment_ids": [str(n) for n in range(100_000)]}
    assert alice.post("runs/search", many).status_code == 400
    tags = [{"key": f"t{n}", "value": "v"} for n in range(50_000)]
    assert alice.post("runs/create", {"experiment_id": experiment, "tags": tags}).status_code == 400


def test_commands_are_words_not_methods(alice, run):
    for path in ("__class__", "runs/__init__", "runs/delete/__call__", "runs/log-metric.json"):
        assert alice.post(path, {"run_id": run}).status_code == 404
    body = {"run_id": run, "status": "__class__", "func": "builtins.exec", "method_name": "x"}
    assert alice.post("runs/update", body).json()["run_info"]["status"] == "RUNNING"
