"""Traces of a real client: searched, judged, evaluated."""

import pytest

from tests.mlflow.conftest import Client

pytestmark = [pytest.mark.mlflow, pytest.mark.timeout(400)]


def test_traces_are_searched_judged_and_evaluated_twice(client3: Client) -> None:
    done = client3.run("trace_evaluation.py")
    assert done["run"] != done["again"]
