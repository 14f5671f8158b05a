"""Calls that no route answers: counted, bounded, shown in the console."""

import pytest

from experiments.mlflow_api.kit.call import Call
from experiments.mlflow_api.kit.unknown import MAX_HELD, UnknownCalls
from experiments.models import UnknownCall
from experiments.services import unknown_calls as services


def call(path: str, client: str = "mlflow") -> Call:
    return Call("GET", path, headers={"user-agent": client})


@pytest.fixture
def clock():
    return [0.0]


def test_the_first_call_is_written_and_later_ones_are_gathered(db, clock):
    calls = UnknownCalls(lambda: clock[0])
    for _ in range(5):
        calls.note(call("/api/2.0/mlflow/x"))
    assert UnknownCall.objects.get().n_calls == 1
    clock[0] = 10.0
    calls.note(call("/api/2.0/mlflow/x"))
    assert UnknownCall.objects.get().n_calls == 6


def test_ids_in_paths_do_not_make_new_rows(db, clock):
    calls = UnknownCalls(lambda: clock[0])
    for number in range(3):
        clock[0] += 10.0
        calls.note(call(f"/api/3.0/mlflow/x/{number}/y/tr-{number:032x}//z/"))
    assert UnknownCall.objects.get().path == "/api/3.0/mlflow/x/{id}/y/{id}/z"


def test_neither_memory_nor_table_grow_without_end(db, clock, monkeypatch):
    monkeypatch.setattr(services, "MAX_ROWS", 5)
    calls = UnknownCalls(lambda: clock[0])
    for number in range(MAX_HELD + 50):
        calls.note(call(f"/api/2.0/mlflow/word{number}x" + "y" * 500, "c" * 500))
    clock[0] = 10.0
    calls.note(call("/api/2.0/mlflow/last"))
    assert UnknownCall.objects.count() == 5
    known = UnknownCall.objects.first()
    assert (len(known.path), len(known.client)) == (200, 100)


def test_the_console_lists_them(people, as_user, clock):
    UnknownCalls(lambda: clock[0]).note(call("/api/2.0/mlflow/gateway"))
    page = as_user(people.root).get("/admin/experiments/unknowncall/")
    assert b"/api/2.0/mlflow/gateway" in page.content
    assert as_user(people.alice).get("/admin/experiments/unknowncall/").status_code == 302
