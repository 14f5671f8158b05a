"""Fixtures for all tests: people, their project, their clients."""

from types import SimpleNamespace

import pytest
from django.db import connection
from django.test import Client

from tests.people import person, project_of


@pytest.fixture
def people(db) -> SimpleNamespace:
    """Return alice (editor), bob (viewer), charlie (stranger), root (administrator) and alice's project."""
    alice, bob, charlie = person("alice"), person("bob"), person("charlie")
    root = person("root", is_staff=True, is_superuser=True)
    project = project_of((alice, "editor"), (bob, "viewer"))
    return SimpleNamespace(alice=alice, bob=bob, charlie=charlie, root=root, project=project)


@pytest.fixture
def as_user():
    """Return a function that gives a signed-in client for a person."""

    def sign_in(user) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return sign_in


@pytest.fixture
def own_store(settings, tmp_path):
    """Give the test a data directory of its own, so that it can count files."""
    for name in ("blobs", "incoming", "jobs", "logs", "run"):
        (tmp_path / name).mkdir(mode=0o700)
    settings.DATA_DIR = tmp_path
    settings.FILE_UPLOAD_TEMP_DIR = str(tmp_path / "incoming")
    return tmp_path


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker):
    """PostgreSQL drops a test database only when nobody, no reader thread either, is connected."""
    yield
    if connection.vendor != "postgresql":
        return
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
