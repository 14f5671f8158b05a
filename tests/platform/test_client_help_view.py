"""The page that says how to log here from a client."""

import re

import pytest

from tests.people import person, project_of

pytestmark = pytest.mark.django_db


def test_page_names_the_address_by_which_it_was_reached(people, as_user) -> None:
    page = as_user(people.alice).get("/help/mlflow/", headers={"host": "localhost:8123"})
    assert "export MLFLOW_TRACKING_URI=http://localhost:8123\n" in page.content.decode()


def test_page_lists_only_the_persons_own_projects(people, as_user) -> None:
    project_of((people.alice, "editor"), name="Moons")
    project_of((person("dora"), "editor"), name="Secret")
    text = as_user(people.alice).get("/help/mlflow/").content.decode()
    assert set(re.findall(r"MLFLOW_WORKSPACE=(\w+)", text)) == {"stars", "moons"}


def test_page_is_reached_from_a_new_token(people, as_user) -> None:
    new = {"name": "notebook", "scope": "write", "expires_in_days": "7"}
    page = as_user(people.alice).post("/account/tokens/", new)
    assert '<a href="/help/mlflow/">' in page.content.decode()


def test_strangers_sign_in_first(client, db) -> None:
    assert client.get("/help/mlflow/").status_code == 302
