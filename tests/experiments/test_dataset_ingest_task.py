"""The reading job from stored bytes to a usable version, and its ways to fail."""

import gzip
import json

import pytest

from experiments.data import nasa
from experiments.models import Dataset, DatasetVersion, TargetAnalysis
from experiments.services import dataset_sources, datasets
from experiments.services.target_analysis import analyse_target
from platform_site.core.errors import Conflict, Invalid
from platform_site.events.models import Event
from platform_site.jobs.control import control_job
from tests.experiments.dataset_help import KOI, SMALL, do_job, ready_version, stored_files, upload
from tests.experiments.test_data_nasa import ROWS, VOTABLE, tap_service

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_store")]


def kinds_of(dataset_id: int) -> list[str]:
    return list(
        Event.objects.filter(topic__key=f"dataset:{dataset_id}")
        .order_by("seq")
        .values_list("kind", flat=True)
    )


def test_a_small_file_becomes_a_ready_version(people):
    version = ready_version(people.project, people.alice)
    assert (version.status, version.n_rows, version.n_columns) == ("ready", 4, 3)
    assert [c["name"] for c in version.table_schema["columns"]] == ["id", "size", "colour"]
    assert version.profile["columns"][1]["n_null"] == 1
    assert version.difference is None
    kinds = kinds_of(version.dataset_id)
    assert kinds[0] == "dataset.version_progressed"
    assert kinds[-1] == "dataset.version_ready"


@pytest.mark.skipif(not KOI.exists(), reason="the real table is not here")
def test_the_koi_table_as_nasa_serves_it_is_read_described_and_warned_of(people):
    version = ready_version(
        people.project, people.alice, KOI.read_bytes(), name="KOI", file_name=KOI.name
    )
    assert (version.status, version.n_rows, version.n_columns) == ("ready", 9564, 49)
    columns = {c["name"]: c for c in version.profile["columns"]}
    assert columns["koi_period"]["unit"] == "days"
    assert columns["koi_period"]["description"] == "Orbital Period"
    warned = {(w["code"], w["column"]) for w in version.profile["warnings"]}
    assert {
        ("identifier_column", "kepid"),
        ("identifier_column", "kepoi_name"),
        ("empty_column", "koi_teq_err1"),
        ("leakage", "koi_pdisposition"),
        ("leakage", "koi_score"),
    } <= warned
    analysis = TargetAnalysis.objects.get(version=version, target="koi_disposition")
    assert {c["value"]: c["count"] for c in analysis.result["classes"]} == {
        "FALSE POSITIVE": 4839,
        "CONFIRMED": 2746,
        "CANDIDATE": 1979,
    }
    assert {"kepid", "koi_score", "koi_teq_err1"} <= {
        e["column"] for e in analysis.result["exclude"]
    }


def test_a_changed_file_says_what_changed(people):
    first = ready_version(people.project, people.alice)
    changed = b"id,size,colour,age\n1,2.5,red,1\n2,9.5,blue,2\n3,,red,3\n5,1.5,red,4\n6,1,red,5\n"
    second = ready_version(people.project, people.alice, changed)
    assert second.number == first.number + 1
    found = second.difference
    assert found["previous"] == 1
    assert found["columns_added"] == ["age"]
    assert (found["rows_added"], found["rows_removed"], found["rows_changed"]) == (2, 1, 1)


@pytest.mark.parametrize(
    ("content", "file_name"),
    [
        (gzip.compress(SMALL, mtime=0), "a.csv"),
        (SMALL.replace(b",", b"\t"), "a.csv"),
        (SMALL.decode().encode("utf-16"), "a.csv"),
        (json.dumps([{"id": 1, "size": 2.5, "colour": "red"}] * 4).encode(), "a.csv"),
    ],
    ids=["gzip", "tab", "utf-16", "json"],
)
def test_the_content_decides_the_format_not_the_name(people, content, file_name):
    version = ready_version(people.project, people.alice, content, file_name=file_name)
    assert (version.status, version.n_rows, version.n_columns) == ("ready", 4, 3)


def test_a_file_without_rows_fails_with_a_reason_and_can_be_thrown_away(people):
    before = stored_files()
    version = ready_version(people.project, people.alice, b"a,b,c\n")
    assert version.status == "failed"
    assert version.error_code == "no_data_rows"
    assert version.error_message
    assert kinds_of(version.dataset_id)[-1] == "dataset.version_failed"
    dataset_went = datasets.discard_failed_version(version=version)
    assert dataset_went
    assert not Dataset.objects.exists()
    assert stored_files() == before


def test_a_failed_version_is_read_again_with_other_options(people):
    content = b"a,b\n1,2\n3,4,5\n6,7\n"
    version = ready_version(people.project, people.alice, content)
    assert version.status == "failed"
    with pytest.raises(Invalid):
        datasets.read_again(version=version, options={"separator": "???"}, by=people.alice)
    again = datasets.read_again(version=version, options={"skip_bad_rows": True}, by=people.alice)
    assert (again.pk, again.status, again.error_message) == (version.pk, "validating", "")
    do_job(again.job)
    again.refresh_from_db()
    assert (again.status, again.n_rows) == ("ready", 2)
    assert again.report["bad_rows"]["count"] == 1


def test_uploading_failed_bytes_again_with_options_reads_the_same_version_again(people):
    content = b"a,b\n1,2\n3,4,5\n6,7\n"
    version = ready_version(people.project, people.alice, content)
    outcome = upload(people.project, people.alice, content, options={"skip_bad_rows": True})
    assert not outcome.is_new
    assert outcome.version.pk == version.pk
    do_job(outcome.version.job)
    version.refresh_from_db()
    assert version.status == "ready"


def test_a_ready_version_never_changes_but_its_bytes_can_become_another_dataset(people):
    version = ready_version(people.project, people.alice, b"a;b\n1;2\n3;4\n")
    with pytest.raises(Conflict):
        datasets.read_again(version=version, options={"separator": ","}, by=people.alice)
    with pytest.raises(Conflict):
        datasets.discard_failed_version(version=version)
    outcome = datasets.read_as_new_dataset(
        version=version, name="One column", options={"separator": ","}, by=people.alice
    )
    do_job(outcome.version.job)
    outcome.version.refresh_from_db()
    assert outcome.version.n_columns == 1
    assert outcome.version.blob_id == version.blob_id


def test_a_stopped_reading_leaves_a_failed_version_that_says_so(people):
    version = upload(people.project, people.alice).version
    control_job(job_id=version.job_id, action="stop")
    version.refresh_from_db()
    assert (version.status, version.error_code) == ("failed", "stopped")
    assert kinds_of(version.dataset_id)[-1] == "dataset.version_failed"


def test_doing_a_finished_job_again_changes_nothing(people):
    version = ready_version(people.project, people.alice)
    table = version.table_blob_id
    from experiments.tasks.datasets import ingest
    from platform_site.jobs.child_process import work_dir_of
    from platform_site.jobs.context import JobContext

    context = JobContext(version.job, work_dir_of(version.job_id))
    try:
        assert ingest(context) == {"dataset": version.dataset_id, "version": 1}
    finally:
        context.close()
    version.refresh_from_db()
    assert version.table_blob_id == table


def test_a_target_is_analysed_once_and_kept(people):
    version = ready_version(people.project, people.alice, SMALL + b"5,1,red\n6,2,blue\n7,3,red\n")
    with pytest.raises(Invalid):
        analyse_target(version=version, target="nope", by=people.alice)
    analysis = analyse_target(version=version, target="size", by=people.alice)
    do_job(analysis.job)
    again = analyse_target(version=version, target="size", by=people.alice)
    assert (again.pk, again.status) == (analysis.pk, "ready")
    assert again.result["target"] == "size"
    assert kinds_of(version.dataset_id)[-1] == "dataset.target_analysed"


def test_a_target_that_cannot_be_learnt_is_refused_with_its_reason(people):
    version = ready_version(people.project, people.alice, b"a,b\n" + b"1,\n2,\n3,\n4,\n5,\n6,\n")
    analysis = analyse_target(version=version, target="b", by=people.alice)
    do_job(analysis.job)
    analysis.refresh_from_db()
    assert analysis.status == "failed"
    assert "b" in analysis.error_message


def test_a_bundled_set_is_fetched_read_and_fetched_again_as_the_same_version(people):
    dataset = dataset_sources.add_from_source(
        project_id=people.project.pk,
        by=people.alice,
        source="bundled",
        source_key="linnerud",
        name="Linnerud",
    )
    assert not dataset.versions.exists()
    do_job(dataset.fetch_job)
    version = dataset.versions.get()
    assert (version.status, version.n_rows, version.n_columns) == ("ready", 20, 4)
    fresh = dataset_sources.fetch_again(dataset=dataset, by=people.alice)
    with pytest.raises(Conflict):
        dataset_sources.fetch_again(dataset=dataset, by=people.alice)
    do_job(fresh.fetch_job)
    assert dataset.versions.count() == 1
    assert json.loads(
        Event.objects.filter(topic__key=f"dataset:{dataset.pk}").latest("seq").data
    )["stage"] == "done"  # fmt: skip


def test_an_unreachable_archive_is_said_clearly_and_leaves_no_version(people, settings):
    settings.NASA_TAP_URL = "http://127.0.0.1:9/TAP"
    assert "koi" in nasa.TABLES
    dataset = dataset_sources.add_from_source(
        project_id=people.project.pk, by=people.alice, source="nasa", source_key="koi", name="KOI"
    )
    job = do_job(dataset.fetch_job)
    assert job.error_code == "source_unreachable"
    assert not DatasetVersion.objects.exists()
    assert kinds_of(dataset.pk)[-1] == "dataset.version_failed"


def test_a_name_of_another_origin_is_not_taken_over_by_a_source(people):
    upload(people.project, people.alice, name="Iris")
    with pytest.raises(Conflict):
        dataset_sources.add_from_source(
            project_id=people.project.pk,
            by=people.alice,
            source="bundled",
            source_key="iris",
            name="iris",
        )


def test_a_table_of_the_archive_becomes_a_version_and_a_changed_one_the_next(people, settings):
    dataset = None
    rows = [ROWS, ROWS, ROWS + "<TR><TD>1</TD><TD>K1</TD><TD>CONFIRMED</TD><TD>2.5</TD></TR>"]
    for table in rows:
        with tap_service(VOTABLE.format(status="OK", words="", rows=table)) as (url, _asked):
            settings.NASA_TAP_URL = url
            if dataset is None:
                dataset = dataset_sources.add_from_source(
                    project_id=people.project.pk,
                    by=people.alice,
                    source="nasa",
                    source_key="koi",
                    name="KOI",
                )
            else:
                dataset = dataset_sources.fetch_again(dataset=dataset, by=people.alice)
            job = do_job(dataset.fetch_job)
            assert job.status == "completed", job.error_message
    newest = dataset.versions.order_by("-number").first()
    assert (newest.status, newest.n_rows) == ("ready", 4)
    assert newest.file_name == "nasa_koi.csv"
    assert newest.difference["rows_added"] == 1
    period = next(c for c in newest.table_schema["columns"] if c["name"] == "koi_period")
    assert (period["unit"], period["description"]) == ("days", "Orbital Period")
