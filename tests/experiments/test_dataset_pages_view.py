"""The pages of datasets: people, hostile text, plain forms, what is shown."""

import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from experiments.models import Dataset, DatasetVersion
from platform_site.jobs import engine_host
from tests.experiments.dataset_help import (
    SMALL,
    bare_datasets,
    do_job,
    ready_version,
    stored_files,
    upload,
)

pytestmark = pytest.mark.usefixtures("own_store")
TABS = ("", "columns/", "rows/", "relations/", "target/", "file/")
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def alice(people, as_user):
    return as_user(people.alice)


@pytest.fixture
def version(people, transactional_db):
    return ready_version(people.project, people.alice)


@pytest.fixture(autouse=True)
def end_engine():
    yield
    engine_host._host.close()


def address(version, tab=""):
    return f"/datasets/{version.dataset_id}/versions/{version.number}/{tab}"


def test_an_empty_project_says_what_to_do(alice):
    page = alice.get("/datasets/").content.decode()
    assert "Upload a file" in page
    assert "/datasets/upload/" in page


def test_a_viewer_sees_no_buttons_that_would_refuse(people, as_user):
    page = as_user(people.bob).get("/datasets/").content.decode()
    assert "/datasets/upload/" not in page


def test_every_tab_of_a_version_answers(alice, version):
    for tab in TABS:
        answer = alice.get(address(version, tab))
        assert answer.status_code == 200, tab
        assert "Stars" in answer.content.decode()


def test_strangers_get_404_from_every_page_and_viewers_403_from_every_change(
    people, as_user, version
):
    charlie, bob = as_user(people.charlie), as_user(people.bob)
    base = f"/datasets/{version.dataset_id}/"
    for url in [base, *(address(version, tab) for tab in TABS), address(version, "download/")]:
        assert charlie.get(url).status_code == 404, url
        assert bob.get(url).status_code == 200, url
    posts = [f"{base}edit/", f"{base}shelve/", f"{base}fetch/", f"{base}upload/"]
    posts += [address(version, tab) for tab in ("read-again/", "discard/", "target/")]
    for url in posts:
        assert charlie.post(url).status_code == 404, url
        assert bob.post(url).status_code == 403, url
    assert bob.get("/datasets/upload/").status_code == 403
    assert bob.post("/datasets/upload/").status_code == 403
    assert bob.post("/datasets/sources/").status_code == 403


def test_anonymous_people_are_asked_to_sign_in(client, db):
    for url in ("/datasets/", "/datasets/upload/", "/datasets/1/", "/datasets/1/versions/1/"):
        answer = client.get(url)
        assert answer.status_code == 302
        assert "next=" in answer["Location"]


def test_a_plain_form_uploads_several_files(alice):
    files = [SimpleUploadedFile("a.csv", SMALL), SimpleUploadedFile("b.csv", SMALL + b"5,1,x\n")]
    answer = alice.post("/datasets/upload/", {"file": files, "name": ""})
    assert answer.status_code == 302
    assert set(Dataset.objects.values_list("name", flat=True)) == {"a", "b"}


def test_the_drop_zone_gets_json_with_the_address_to_go_to(alice):
    answer = alice.post(
        "/datasets/upload/",
        {"file": SimpleUploadedFile("a.csv", SMALL), "name": "A"},
        headers={"accept": "application/json"},
    )
    version = DatasetVersion.objects.get()
    assert answer.status_code == 201
    assert answer.json()["url"] == address(version)


def test_a_refused_upload_says_why_on_the_page_and_in_json_and_leaves_nothing(alice):
    before = stored_files()
    png = b"\x89PNG\r\n\x1a\n" + bytes(50)
    page = alice.post("/datasets/upload/", {"file": SimpleUploadedFile("a.csv", png)})
    assert page.status_code == 422
    assert "PNG picture" in page.content.decode()
    as_json = alice.post(
        "/datasets/upload/",
        {"file": SimpleUploadedFile("a.csv", png)},
        headers={"accept": "application/json"},
    )
    assert as_json.status_code == 422
    assert "PNG picture" in as_json.json()["message"]
    assert alice.post("/datasets/upload/", {}).status_code == 400
    assert not Dataset.objects.exists()
    assert stored_files() == before


def test_hostile_names_cells_and_headers_stay_text(people, alice, transactional_db):
    lines = [f'n,{HOSTILE},"<img src=x onerror=alert(2)>"', f"1,{HOSTILE},1", "2,plain,2", "3,x,3"]
    content = "\n".join(lines).encode()
    version = ready_version(
        people.project, people.alice, content, name=HOSTILE, file_name=f"{HOSTILE}.csv"
    )
    assert version.status == "ready"
    column = version.table_schema["columns"][1]["name"]
    urls = [address(version, tab) for tab in TABS]
    urls += [f"/datasets/{version.dataset_id}/", "/datasets/"]
    pages = [alice.get(url) for url in urls]
    pages.append(alice.get(address(version, "columns/"), {"name": column}))
    pages.append(alice.get(address(version, "rows/"), {"fc": column, "fo": "eq", "fv": HOSTILE}))
    for page in pages:
        text = page.content.decode()
        assert page.status_code == 200
        assert HOSTILE not in text
        assert "<img src=x" not in text
    assert "&lt;script&gt;alert(1)" in pages[0].content.decode()


def test_no_page_has_inline_script_or_style(alice, version):
    for tab in TABS:
        text = alice.get(address(version, tab)).content.decode()
        assert not re.search(r"\sstyle=", text), tab
        assert not re.search(r"\son[a-z]+=\"", text), tab
        for script in re.findall(r"<script([^>]*)>", text):
            assert "src=" in script or 'type="application/json"' in script


def test_rows_are_sorted_and_filtered_and_htmx_gets_the_table_alone(alice, version):
    url = address(version, "rows/")
    query = {"fc": "colour", "fo": "eq", "fv": "red", "sort": "id", "descending": "1"}
    page = alice.get(url, query).content.decode()
    assert page.index(">4</bdi>") < page.index(">3</bdi>") < page.index(">1</bdi>")
    assert "blue" not in re.sub(r"<option.*?</option>", "", page)
    part = alice.get(url, query, headers={"hx-request": "true"}).content.decode()
    assert "<html" not in part
    assert 'id="rows"' in part


def test_a_wrong_filter_is_explained_in_place(alice, version):
    url = address(version, "rows/")
    query = {"fc": "id", "fo": "gt", "fv": "many"}
    page = alice.get(url, query)
    assert page.status_code == 422
    assert "many" in page.content.decode()
    part = alice.get(url, query, headers={"hx-request": "true"})
    assert part.status_code == 200
    assert "cannot be shown" in part.content.decode()
    assert alice.get(url, {"fc": "id"}).status_code == 400


def test_a_file_that_cannot_be_read_shows_the_reason_and_the_way_out(
    people, alice, transactional_db
):
    version = ready_version(people.project, people.alice, b"a,b\n1,2\n3,4,5\n6,7\n")
    page = alice.get(address(version)).content.decode()
    assert version.error_message[:20] in page.replace("&quot;", '"').replace("&#x27;", "'")
    assert "read-again/" in page
    answer = alice.post(address(version, "read-again/"), {"skip_bad_rows": "on"})
    assert answer.status_code == 302
    version.refresh_from_db()
    assert version.status == "validating"
    do_job(version.job)
    assert "skipped" not in alice.get(address(version)).content.decode()
    version.refresh_from_db()
    assert version.status == "ready"


def test_a_version_in_work_shows_how_far_it_is_and_what_to_follow(people, alice):
    version = upload(people.project, people.alice).version
    page = alice.get(address(version)).content.decode()
    assert "data-version-progress" in page
    assert f'"topic": "dataset:{version.dataset_id}"' in page
    assert '"after": 1' in page


def test_the_difference_to_the_version_before_is_shown(people, alice, transactional_db):
    ready_version(people.project, people.alice)
    second = ready_version(people.project, people.alice, SMALL + b"5,9,green\n")
    page = alice.get(address(second)).content.decode()
    assert "rows added" in page
    assert 'href="/datasets/' in page


def test_a_target_is_asked_for_and_shown(people, alice, version):
    url = address(version, "target/")
    assert "Analyse" in alice.get(url, {"target": "size"}).content.decode()
    answer = alice.post(url, {"target": "colour"})
    assert answer.status_code == 302
    assert "target=colour" in answer["Location"]
    assert alice.get(url, {"target": "nope"}).status_code == 400


def test_renaming_shows_a_taken_name_at_its_field(people, alice):
    upload(people.project, people.alice, name="One")
    two = upload(people.project, people.alice, SMALL + b"9,9,red\n", name="Two").version.dataset
    page = alice.post(f"/datasets/{two.pk}/edit/", {"name": "one", "description": ""})
    assert page.status_code == 400
    assert "already" in page.content.decode()
    assert alice.post(f"/datasets/{two.pk}/edit/", {"name": "Three"}).status_code == 302


def test_queries_of_the_list_page_do_not_grow_with_rows(
    people, alice, django_assert_max_num_queries, django_assert_num_queries
):
    bare_datasets(people.project, people.alice, 2)
    alice.get("/datasets/")
    with django_assert_max_num_queries(12) as few:
        alice.get("/datasets/")
    Dataset.objects.all().delete()
    bare_datasets(people.project, people.alice, 28)
    with django_assert_num_queries(len(few)):
        alice.get("/datasets/")


def test_a_wrong_page_of_the_list_is_the_askers_mistake(alice):
    assert alice.get("/datasets/", {"offset": "x"}).status_code == 400
    assert alice.get("/datasets/", {"sort": "owner"}).status_code == 400


def test_sources_are_offered_and_a_button_fetches_one(alice):
    page = alice.get("/datasets/sources/").content.decode()
    assert "Iris flowers" in page
    answer = alice.post("/datasets/sources/", {"source": "bundled", "key": "iris", "name": ""})
    dataset = Dataset.objects.get()
    assert answer["Location"] == f"/datasets/{dataset.pk}/"
    assert dataset.fetch_job is not None
    shown = alice.get(f"/datasets/{dataset.pk}/").content.decode()
    assert "data-version-progress" in shown
