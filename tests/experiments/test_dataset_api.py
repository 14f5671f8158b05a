"""The API of datasets, as scripts use it: pinned shapes, people, bad input, constant queries."""

import json

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
URL = "/api/v1/datasets/"


def post_file(client, content=SMALL, *, file_name="stars.csv", url=URL, **fields):
    return client.post(url, {"file": SimpleUploadedFile(file_name, content), **fields})


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


def test_an_upload_answers_with_id_version_and_status(alice):
    answer = post_file(alice, name="Stars")
    assert answer.status_code == 201
    body = answer.json()
    assert (body["version"], body["status"], body["created"]) == (1, "validating", True)
    shown = alice.get(f"{URL}{body['id']}/").json()
    assert (shown["name"], shown["version"], shown["status"]) == ("Stars", 1, "validating")
    assert shown["error"] is None


def test_the_same_file_again_is_the_same_version(alice):
    first = post_file(alice).json()
    again = post_file(alice)
    assert again.status_code == 201
    assert again.json()["created"] is False
    assert (again.json()["id"], again.json()["version"]) == (first["id"], 1)


def test_the_name_defaults_to_the_files(alice):
    assert post_file(alice, file_name="my table.csv.gz").json()["name"] == "my table"


def test_a_raw_body_is_an_upload_too(alice):
    answer = alice.generic(
        "POST", f"{URL}?name=raw&file_name=a.csv&separator=;", b"a;b\n1;2\n", "text/csv"
    )
    assert answer.status_code == 201
    version = DatasetVersion.objects.get()
    assert (version.dataset.name, version.file_name) == ("raw", "a.csv")
    assert version.read_options == {"separator": ";"}


def test_the_next_version_can_be_uploaded_to_the_dataset_itself(alice):
    made = post_file(alice).json()
    url = f"{URL}{made['id']}/versions/"
    assert post_file(alice, SMALL + b"5,1,red\n", url=url).json()["version"] == 2
    assert post_file(alice, url=url, name="other").status_code == 400
    rows = alice.get(url).json()["results"]
    assert [row["version"] for row in rows] == [2, 1]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"id": "7"}, "id"),
        ({"owner": "1"}, "owner"),
        ({"status": "ready"}, "status"),
        ({"sha256": "zz"}, "sha256"),
        ({"decimal": ";"}, "decimal"),
        ({"name": "x" * 300}, "name"),
        ({"name": "a\u200bb"}, "name"),
        ({"separator": "ab"}, None),
    ],
)
def test_wrong_fields_are_named_and_nothing_is_stored(alice, fields, field):
    before = stored_files()
    answer = post_file(alice, **fields)
    assert answer.status_code == 400
    assert field is None or field in json.dumps(answer.json())
    assert not Dataset.objects.exists()
    assert stored_files() == before


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [(b" \n", 422, "empty_file"), (b"%PDF-1.7 x", 422, "unsupported_format")],
)
def test_refused_content_has_a_code_and_leaves_nothing(alice, content, status, code):
    before = stored_files()
    answer = alice.generic("POST", f"{URL}?name=x", content, "application/octet-stream")
    assert (answer.status_code, answer.json()["error_code"]) == (status, code)
    assert not Dataset.objects.exists()
    assert stored_files() == before


def test_too_large_is_413(alice, settings):
    settings.MAX_UPLOAD_BYTES = 10
    assert post_file(alice).status_code == 413
    assert not Dataset.objects.exists()


def test_a_wrong_hash_is_422(alice):
    answer = post_file(alice, sha256="0" * 64)
    assert (answer.status_code, answer.json()["error_code"]) == (422, "hash_mismatch")


def test_no_file_two_files_or_another_media_type_is_refused(alice):
    assert alice.post(URL, {"name": "x"}).status_code == 400
    two = [SimpleUploadedFile("a.csv", SMALL), SimpleUploadedFile("b.csv", SMALL)]
    assert alice.post(URL, {"file": two}).status_code == 400
    assert alice.post(URL, {"name": "x"}, content_type="application/json").status_code == 415
    assert not Dataset.objects.exists()


def test_strangers_find_nothing_and_viewers_may_only_look(people, as_user, version):
    base = f"{URL}{version.dataset_id}/"
    number = f"{base}versions/1/"
    reads = [base, f"{base}versions/", number, f"{number}profile/", f"{number}download/"]
    reads += [f"{number}rows/", f"{number}target-analysis/?target=size"]
    writes = [
        ("patch", base, {"name": "x"}),
        ("post", f"{base}fetch/", {}),
        ("post", f"{number}target-analysis/", {"target": "size"}),
        ("post", f"{number}read-again/", {}),
        ("delete", number, {}),
    ]
    charlie, bob = as_user(people.charlie), as_user(people.bob)
    for url in reads:
        assert charlie.get(url).status_code == 404, url
        assert bob.get(url).status_code in {200, 404}, url
    assert bob.get(base).status_code == 200
    for method, url, body in writes:
        call = {"data": json.dumps(body), "content_type": "application/json"}
        assert getattr(charlie, method)(url, **call).status_code == 404, url
        assert getattr(bob, method)(url, **call).status_code == 403, url
    assert post_file(charlie, url=f"{base}versions/").status_code == 404
    assert post_file(bob, url=f"{base}versions/").status_code == 403
    assert post_file(bob).status_code == 403
    assert post_file(charlie).status_code in {403, 404}
    assert charlie.get(URL).json()["results"] == []
    assert len(bob.get(URL).json()["results"]) == 1


def test_anonymous_people_are_sent_away(client, db):
    assert client.get(URL).status_code == 401
    assert post_file(client).status_code == 401
    assert not Dataset.objects.exists()


def test_the_profile_has_the_pinned_shape(alice, version):
    body = alice.get(f"{URL}{version.dataset_id}/versions/1/profile/").json()
    assert (body["n_rows"], body["n_columns"]) == (4, 3)
    assert {"name", "type"} <= set(body["columns"][0])
    assert all({"code", "column", "message"} <= set(one) for one in body["warnings"])


def test_a_version_that_is_not_ready_says_so(alice):
    made = post_file(alice).json()
    answer = alice.get(f"{URL}{made['id']}/versions/1/profile/")
    assert (answer.status_code, answer.json()["error_code"]) == (409, "not_ready")
    assert alice.get(f"{URL}{made['id']}/versions/1/rows/").status_code == 409


@pytest.mark.django_db(transaction=True)
def test_a_file_that_cannot_be_read_is_failed_with_the_reason(people, alice):
    made = post_file(alice, b"a,b\n").json()
    do_job(DatasetVersion.objects.get().job)
    shown = alice.get(f"{URL}{made['id']}/").json()
    assert (shown["status"], shown["error"]["code"]) == ("failed", "no_data_rows")
    url = f"{URL}{made['id']}/versions/1/"
    assert alice.get(f"{url}rows/").status_code == 409
    assert alice.delete(url).status_code == 204
    assert alice.get(f"{URL}{made['id']}/").status_code == 404


def test_rows_come_in_pages_sorted_and_filtered(alice, version):
    url = f"{URL}{version.dataset_id}/versions/1/rows/"
    page = alice.get(url, {"limit": 2, "offset": 1}).json()
    assert page["total"] == 4
    assert page["row_numbers"] == [1, 2]
    assert page["rows"][1] == [3, None, "red"]
    filters = json.dumps([{"column": "colour", "op": "eq", "value": "red"}])
    found = alice.get(
        url, {"filters": filters, "sort": "id", "descending": "true", "columns": ["id"]}
    ).json()
    assert (found["total"], found["rows"]) == (3, [[4], [3], [1]])


@pytest.mark.parametrize(
    "params",
    [
        {"limit": "0"},
        {"limit": "-1"},
        {"limit": "1000000000"},
        {"offset": "18446744073709551616"},
        {"sort": "owner__password"},
        {"columns": "nope"},
        {"filters": "{"},
        {"filters": '{"column": "id"}'},
        {"filters": '[{"column": "nope", "op": "eq", "value": 1}]'},
        {"filters": '[{"column": "id", "op": "regex", "value": "^(a+)+$"}]'},
        {"filters": "[" * 200},
        {"descending": "maybe"},
        {"order_by": "id"},
    ],
)
def test_wrong_row_questions_are_the_askers_mistake(alice, version, params):
    answer = alice.get(f"{URL}{version.dataset_id}/versions/1/rows/", params)
    assert answer.status_code in {400, 422}
    assert answer.json()["message"]


@pytest.mark.parametrize(
    "params",
    [
        {"owner__password__startswith": "pbkdf2"},
        {"sort": "created_by__password"},
        {"status": "any"},
        {"limit": "0"},
        {"search": "x" * 500},
        {"search": "a\x00b"},
        {"_connector": ") OR 1=1"},
    ],
)
def test_the_list_takes_only_what_it_knows(alice, params):
    assert alice.get(URL, params).status_code == 400


def test_the_list_is_paged_searched_and_sorted(people, alice):
    bare_datasets(people.project, people.alice, 5)
    upload(people.project, people.alice, name="Zebra")
    page = alice.get(URL, {"limit": 2, "sort": "-name"}).json()
    assert (page["count"], page["next_offset"]) == (6, 2)
    assert [row["name"] for row in page["results"]] == ["Zebra", "set 4"]
    assert alice.get(URL, {"search": "ZEB"}).json()["count"] == 1
    assert alice.get(URL, {"status": "validating"}).json()["count"] == 1
    assert alice.get(URL, {"status": "ready"}).json()["count"] == 0


def test_queries_of_the_list_do_not_grow_with_rows(
    people, alice, django_assert_max_num_queries, django_assert_num_queries
):
    def fill(n):
        for i in range(n):
            upload(people.project, people.alice, SMALL + f"{i},1,red\n".encode(), name=f"s{i}")

    fill(2)
    with django_assert_max_num_queries(8) as few:
        alice.get(URL)
    fill(12)
    with django_assert_num_queries(len(few)):
        assert alice.get(URL).json()["count"] == 12


def test_a_dataset_is_renamed_described_archived_and_restored(alice):
    made = post_file(alice).json()
    url = f"{URL}{made['id']}/"

    def patch(**body):
        return alice.patch(url, json.dumps(body), content_type="application/json")

    assert patch(name="New", description="Why").json()["name"] == "New"
    assert patch(archived=True).json()["archived"] is True
    assert alice.get(URL).json()["count"] == 0
    assert alice.get(URL, {"archived": "yes"}).json()["count"] == 1
    assert post_file(alice, SMALL + b"9,9,red\n", name="New").status_code == 409
    assert patch(archived=False).json()["archived"] is False
    assert patch(project=2).status_code == 400
    assert patch(created_by="bob").status_code == 400


def test_a_target_is_analysed_on_request(people, alice, transactional_db):
    content = SMALL + b"5,1.25,red\n6,2.75,blue\n7,3.25,red\n"
    version = ready_version(people.project, people.alice, content)
    url = f"{URL}{version.dataset_id}/versions/1/target-analysis/"

    def ask(target):
        return alice.post(url, json.dumps({"target": target}), content_type="application/json")

    assert alice.get(url, {"target": "size"}).status_code == 404
    assert ask("nope").status_code == 400
    answer = ask("size")
    assert (answer.status_code, answer.json()["status"]) == (202, "validating")
    do_job(version.target_analyses.get(target="size").job)
    again = ask("size")
    assert (again.status_code, again.json()["result"]["target"]) == (200, "size")
    assert alice.get(url, {"target": "size"}).json()["status"] == "ready"


def test_downloads_are_harmless_attachments(alice, people, transactional_db):
    content = b'name,note\n=cmd|1,plain\n-5,"=1+1"\n@x,\xe2\x98\x85\n+7, =2\n'
    version = ready_version(people.project, people.alice, content, file_name='"; evil\r\n.csv')
    url = f"{URL}{version.dataset_id}/versions/1/download/"
    raw = alice.get(url)
    assert b"".join(raw.streaming_content) == content
    assert raw["Content-Disposition"].startswith("attachment")
    assert "\r" not in raw["Content-Disposition"]
    assert raw["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in raw["Content-Security-Policy"]
    parquet = b"".join(alice.get(url, {"as": "parquet"}).streaming_content)
    assert parquet[:4] == b"PAR1"
    safe = b"".join(alice.get(url, {"as": "csv"}).streaming_content).decode()
    for cell in ("'=cmd|1", "'=1+1", "'@x", "' =2"):
        assert cell in safe
    assert "'-5" not in safe
    assert alice.get(url, {"as": "exe"}).status_code == 400


def test_sources_are_listed_and_fetched(alice):
    rows = alice.get(f"{URL}sources/").json()["results"]
    assert {("nasa", "koi"), ("bundled", "iris")} <= {(r["source"], r["key"]) for r in rows}

    def fetch(**body):
        return alice.post(f"{URL}sources/", json.dumps(body), content_type="application/json")

    made = fetch(source="bundled", key="iris", name="Flowers")
    assert (made.status_code, made.json()["status"]) == (202, "validating")
    assert fetch(source="bundled", key="../../etc/passwd").status_code == 400
    assert fetch(source="url", key="http://127.0.0.1:1/x.csv").status_code == 400
    assert fetch(source="nasa", key="koi", url="file:///etc/hostname").status_code == 400


@pytest.mark.parametrize("number", ["0", "2", "99999999999999999999999"])
def test_versions_that_do_not_exist_are_404(alice, number):
    made = post_file(alice).json()
    assert alice.get(f"{URL}{made['id']}/versions/{number}/").status_code == 404
    assert alice.get(f"{URL}{number}9/").status_code == 404
