"""Uploads: versions, sameness, refusals that leave nothing."""

import hashlib

import pytest

from assets.models import Blob
from assets.services.blobs import discard_unused
from assets.storage import write_blob
from experiments.models import Dataset, DatasetVersion
from experiments.services import datasets
from experiments.services.dataset_names import clean_file_name, name_from_file
from experiments.services.read_options import clean_options
from platform_site.core.errors import Conflict, Invalid, TooLarge, Unavailable, Unprocessable
from platform_site.events.models import Event
from platform_site.jobs.models import Job
from tests.experiments.dataset_help import SMALL, stored_files, upload

pytestmark = pytest.mark.usefixtures("own_store")
PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)


@pytest.fixture
def nothing_stored(db):
    """Return a check that nothing has been stored since the test began."""
    before = stored_files()

    def check() -> None:
        assert not Dataset.objects.exists()
        assert not DatasetVersion.objects.exists()
        assert not Blob.objects.exists()
        assert not Job.objects.exists()
        assert not Event.objects.exists()
        assert stored_files() == before

    return check


def test_an_upload_makes_dataset_version_job_and_event(people):
    outcome = upload(people.project, people.alice)
    version = outcome.version
    assert outcome.is_new
    assert (version.dataset.name, version.number, version.status) == ("Stars", 1, "validating")
    assert version.blob.sha256 == hashlib.sha256(SMALL).hexdigest()
    assert version.job.kind == "datasets.ingest"
    event = Event.objects.get(topic__key=f"dataset:{version.dataset_id}")
    assert event.kind == "dataset.version_progressed"
    assert '"version":1' in event.data


def test_the_same_bytes_are_the_same_version_and_make_no_second_job(people):
    first = upload(people.project, people.alice)
    again = upload(people.project, people.alice, file_name="renamed.csv")
    assert not again.is_new
    assert again.version.pk == first.version.pk
    assert Job.objects.count() == 1


def test_other_bytes_under_the_same_name_are_the_next_version_whatever_the_case(people):
    upload(people.project, people.alice, name="Stars")
    second = upload(people.project, people.alice, SMALL + b"5,1,red\n", name="STARS")
    assert second.version.number == 2
    assert Dataset.objects.count() == 1


def test_the_same_bytes_in_two_datasets_are_one_blob_with_two_references(people):
    upload(people.project, people.alice, name="One")
    upload(people.project, people.alice, name="Two")
    assert Dataset.objects.count() == 2
    assert Blob.objects.count() == 1


def test_two_identical_uploads_at_once_are_one_version(people):
    inner = []

    def overtaken():
        yield SMALL[:10]
        inner.append(upload(people.project, people.alice))
        yield SMALL[10:]

    outer = datasets.upload_version(
        project_id=people.project.pk,
        by=people.alice,
        upload=datasets.Upload(chunks=overtaken(), file_name="stars.csv"),
        name="Stars",
    )
    assert (inner[0].is_new, outer.is_new) == (True, False)
    assert outer.version.pk == inner[0].version.pk
    assert DatasetVersion.objects.count() == Job.objects.count() == Blob.objects.count() == 1


def test_a_clean_up_between_storing_and_recording_is_said_and_leaves_no_row(people, monkeypatch):
    stored = []

    def swept(chunks, *, max_bytes):
        result = write_blob(chunks, max_bytes=max_bytes)
        stored.append(result)
        assert discard_unused(result)  # somebody else's refused upload of the same bytes
        return result

    monkeypatch.setattr(datasets, "write_blob", swept)
    with pytest.raises(Unavailable):
        upload(people.project, people.alice)
    assert not DatasetVersion.objects.exists()
    assert not Blob.objects.exists()


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty_file"),
        (b"  \n \n", "empty_file"),
        (PNG, "unsupported_format"),
        (b"\x7fELF" + bytes(200), "unsupported_format"),
        (b"\x80\x04\x95\x10\x00\x00\x00", "unsupported_format"),
        (b"PK\x03\x04" + bytes(50), "unsupported_format"),
        (b"<!doctype html><html></html>", "unsupported_format"),
    ],
)
def test_what_is_no_table_is_refused_and_leaves_nothing(people, nothing_stored, content, code):
    with pytest.raises(Unprocessable) as caught:
        upload(people.project, people.alice, content, file_name="looks_fine.csv")
    assert caught.value.code == code
    nothing_stored()


def test_a_file_above_the_limit_is_refused_and_leaves_nothing(people, nothing_stored, settings):
    settings.MAX_UPLOAD_BYTES = 20
    with pytest.raises(TooLarge):
        upload(people.project, people.alice)
    nothing_stored()


def test_a_wrong_hash_is_refused_and_leaves_nothing(people, nothing_stored):
    with pytest.raises(Unprocessable) as caught:
        upload(people.project, people.alice, expected_sha256="0" * 64)
    assert caught.value.code == "hash_mismatch"
    nothing_stored()


def test_a_wrong_hash_does_not_remove_bytes_that_another_dataset_uses(people):
    upload(people.project, people.alice, name="Kept")
    before = stored_files()
    with pytest.raises(Unprocessable):
        upload(people.project, people.alice, name="Other", expected_sha256="0" * 64)
    assert stored_files() == before


def test_a_stream_that_breaks_off_leaves_nothing(people, nothing_stored):
    def broken():
        yield SMALL * 5000
        raise ConnectionError("cut at 99 %")

    with pytest.raises(ConnectionError):
        datasets.upload_version(
            project_id=people.project.pk,
            by=people.alice,
            upload=datasets.Upload(chunks=broken(), file_name="x.csv"),
        )
    nothing_stored()


@pytest.mark.parametrize("name", ["a\x00b", "a\u200bb", "x" * 201, "\u202eevil"])
def test_a_name_that_nobody_can_read_is_refused_and_leaves_nothing(people, nothing_stored, name):
    with pytest.raises(Invalid) as caught:
        upload(people.project, people.alice, name=name)
    assert caught.value.details["field"] == "name"
    nothing_stored()


def test_an_archived_dataset_takes_no_upload_and_its_bytes_go(people):
    dataset = upload(people.project, people.alice).version.dataset
    datasets.archive_dataset(dataset=dataset)
    before = stored_files()
    with pytest.raises(Conflict) as caught:
        upload(people.project, people.alice, SMALL + b"9,9,red\n")
    assert caught.value.code == "archived"
    assert stored_files() == before


def test_renaming_to_a_taken_name_is_refused(people):
    first = upload(people.project, people.alice, name="One").version.dataset
    upload(people.project, people.alice, name="Two")
    with pytest.raises(Conflict):
        datasets.update_dataset(dataset=first, name="two")
    renamed = datasets.update_dataset(dataset=first, name=" Three ", description="Where from")
    assert (renamed.name, renamed.description) == ("Three", "Where from")


@pytest.mark.parametrize(
    ("file_name", "shown", "name"),
    [
        ("../../etc/passwd", "passwd", "passwd"),
        ("C:\\temp\\Koi table.CSV.gz", "Koi table.CSV.gz", "Koi table"),
        ("a\x00\x1b[31mb.parquet", "a[31mb.parquet", "a[31mb"),
        ("", "file", "file"),
        (".csv", ".csv", ".csv"),
        ("x" * 5000 + ".csv", "x" * 251 + ".csv", "x" * 200),
    ],
)
def test_file_names_are_only_text(file_name, shown, name):
    assert clean_file_name(file_name) == shown
    assert name_from_file(file_name) == name


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"separator": "||"}, None),
        ({"encoding": "no-such"}, "encoding"),
        ({"encoding": "rot13"}, "encoding"),
        ({"header": "maybe"}, "header"),
        ({"null_words": "NA"}, "null_words"),
        ({"column_types": {"a": "complex"}}, None),
        ({"max_columns": 5}, "max_columns"),
    ],
)
def test_read_options_are_checked_before_anything_is_stored(options, field):
    with pytest.raises(Invalid) as caught:
        clean_options(options)
    if field:
        assert caught.value.details["field"] == field


def test_read_options_keep_what_was_said_and_nothing_else():
    said = {"separator": "tab", "encoding": "", "header": None, "skip_bad_rows": False}
    assert clean_options(said) == {"separator": "\t"}
    assert clean_options({"header": False, "skip_bad_rows": True}) == {
        "header": False,
        "skip_bad_rows": True,
    }
