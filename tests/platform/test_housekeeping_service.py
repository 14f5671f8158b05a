"""What is cleared from the disk, and what never is."""

import os
import time
from datetime import timedelta

import pytest

from assets.models import Blob
from assets.services.blobs import discard_unused, record
from assets.services.sweep import sweep_orphans, sweep_unused
from assets.storage import blob_path, temp_dir, write_blob
from platform_site.core.clock import now
from platform_site.jobs import states
from platform_site.jobs.child_process import work_dir_of
from platform_site.jobs.housekeeping import clear_work_dirs
from platform_site.jobs.models import Job
from tests.platform.test_jobs_states import make_job

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def data_dir(settings, tmp_path):
    settings.DATA_DIR = tmp_path
    for name in ("blobs", "incoming", "jobs"):
        (tmp_path / name).mkdir()
    return tmp_path


def age(path, hours):
    then = time.time() - hours * 3600
    os.utime(path, (then, then))


def test_old_bytes_without_a_row_go_and_everything_else_stays():
    orphan, young, known = (write_blob([text]) for text in (b"orphan", b"young", b"known"))
    Blob.objects.create(sha256=known.sha256, size_bytes=known.size_bytes)
    for stored in (orphan, known):
        age(blob_path(stored.sha256), 2)
    assert sweep_orphans() == 1
    assert not blob_path(orphan.sha256).exists()
    assert blob_path(young.sha256).exists()
    assert blob_path(known.sha256).exists()


def used_by_a_run(stored):
    from tests.experiments.artifact_help import make_run

    run = make_run()
    run.model_blob = record(stored)
    run.save(update_fields=["model_blob"])


@pytest.mark.django_db(transaction=True)
def test_old_bytes_whose_row_nothing_refers_to_go_and_everything_else_stays():
    unused, young, used = (write_blob([text]) for text in (b"unused", b"young", b"used"))
    for stored in (unused, young):
        record(stored)
    used_by_a_run(used)
    for stored in (unused, used):
        age(blob_path(stored.sha256), 2)
    assert sweep_unused() == 1
    assert not blob_path(unused.sha256).exists()
    assert not Blob.objects.filter(sha256=unused.sha256).exists()
    for stored in (young, used):
        assert blob_path(stored.sha256).exists()
        assert Blob.objects.filter(sha256=stored.sha256).exists()


@pytest.mark.django_db(transaction=True)
def test_clearing_unused_bytes_stops_in_time_and_goes_on_the_next_time():
    for number in range(3):
        stored = write_blob([b"%d" % number])
        record(stored)
        age(blob_path(stored.sha256), 2)
    counts = [sweep_unused(budget_s=0) for _ in range(20)]
    assert sum(counts) == 3
    assert max(counts) == 1
    assert not Blob.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_old_unused_bytes_that_are_stored_again_at_this_moment_stay():
    stored = write_blob([b"again"])
    record(stored)
    age(blob_path(stored.sha256), 2)
    limit_s = time.time() - 3600
    write_blob([b"again"])
    assert not discard_unused(stored, stored_before_s=limit_s)
    assert blob_path(stored.sha256).exists()


def test_drafts_of_uploads_cut_long_ago_go():
    old, fresh = temp_dir() / "blob-old", temp_dir() / "blob-fresh"
    for path in (old, fresh):
        path.write_bytes(b"x")
    age(old, 25)
    sweep_orphans()
    assert (old.exists(), fresh.exists()) == (False, True)


@pytest.mark.parametrize(
    ("status", "hours_ago", "goes"),
    [
        (states.COMPLETED, 2, True),
        (states.COMPLETED, 0.5, False),
        (states.STOPPED, 48, False),
        (states.STOPPED, 24 * 8, True),
        (states.FAILED, 24 * 8, True),
        (states.PAUSED, 24 * 365, False),
    ],
)
def test_checkpoints_stay_as_long_as_they_may_be_needed(people, status, hours_ago, goes):
    job = make_job(people, status)
    Job.objects.filter(pk=job.pk).update(finished_at=now() - timedelta(hours=hours_ago))
    folder = work_dir_of(job.pk)
    clear_work_dirs()
    assert folder.exists() is not goes
