"""`manage.py doctor` on installations with one thing wrong each."""

import io
import json
import os
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db.migrations.recorder import MigrationRecorder

from monitoring.models import HostSample
from platform_site.core.clock import now
from platform_site.settings.installation import ensure_data_dir, ensure_secret_key


@pytest.fixture
def installation(db, settings, tmp_path):
    settings.DATA_DIR = ensure_data_dir(tmp_path / "data")
    ensure_secret_key(settings.DATA_DIR)
    return settings.DATA_DIR


def examine(*options):
    """Return (exit code, {name: finding})."""
    out, code = io.StringIO(), 0
    try:
        call_command("doctor", "--json", "--stopped", *options, stdout=out)
    except SystemExit as end:
        code = end.code
    body = json.loads(out.getvalue())
    assert body["healthy"] is (code == 0)
    return code, {one["name"]: one for one in body["findings"]}


def test_a_fresh_installation_has_writable_private_rooms_and_a_private_key(installation):
    _, found = examine()
    assert found["data directory"]["verdict"] == "ok"
    assert found["blobs/"]["verdict"] == "ok"
    assert found["secret key"]["verdict"] == "ok"
    assert found["migrations"]["verdict"] == "ok"
    assert found["clock"]["verdict"] == "ok"


def test_a_room_open_to_others_fails_with_the_command_that_mends_it(installation):
    (installation / "blobs").chmod(0o755)
    code, found = examine()
    assert code == 1
    assert found["blobs/"]["verdict"] == "failed"
    assert found["blobs/"]["advice"] == f"chmod 700 {installation / 'blobs'}"


def test_a_missing_room_fails(installation):
    (installation / "incoming").rmdir()
    code, found = examine()
    assert code == 1
    assert found["incoming/"]["verdict"] == "failed"


def test_a_key_others_can_read_fails(installation):
    (installation / "secret_key").chmod(0o644)
    code, found = examine()
    assert code == 1
    assert found["secret key"]["verdict"] == "failed"


def test_an_unapplied_migration_fails_and_is_named(installation):
    MigrationRecorder.Migration.objects.filter(app="monitoring").delete()
    code, found = examine()
    assert code == 1
    assert "monitoring.0001" in found["migrations"]["seen"]


def test_a_clock_behind_the_records_fails(installation):
    HostSample.objects.create(host="here", at=now() + timedelta(hours=1))
    code, found = examine()
    assert code == 1
    assert found["clock"]["verdict"] == "failed"


def test_a_configured_redis_that_does_not_answer_fails(installation, settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    code, found = examine()
    assert code == 1
    assert found["redis"]["verdict"] == "failed"


def test_without_redis_the_point_is_skipped(installation, settings):
    settings.REDIS_URL = None
    assert examine()[1]["redis"]["verdict"] == "skipped"


@pytest.mark.skipif("REDIS_URL" not in os.environ, reason="no Redis configured")
def test_a_configured_redis_that_answers_is_named_with_its_version(installation):
    found = examine()[1]["redis"]
    assert found["verdict"] in {"ok", "warning"}
    assert "version" in found["seen"]


def test_an_installation_that_does_not_run_is_told_apart_from_a_broken_one(installation):
    out = io.StringIO()
    with pytest.raises(SystemExit) as end:
        call_command("doctor", stdout=out, no_color=True)
    assert end.value.code == 1
    assert "Assay does not run on this data directory" in out.getvalue()
