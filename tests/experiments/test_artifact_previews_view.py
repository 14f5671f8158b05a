"""What pages show of files that strangers wrote: never a script with our rights, never a crash."""

import json

import pytest

from experiments.selectors.run_artifacts import MAX_TABLE_ROWS, preview_of
from tests.experiments.artifact_help import folder_of, make_run, put

pytestmark = pytest.mark.usefixtures("own_store")
SCRIPT = b"<svg xmlns='http://www.w3.org/2000/svg'><script>fetch('/x')</script></svg>"


@pytest.fixture
def run(people):
    return make_run(people.project)


@pytest.fixture
def logged(people, run):
    """Return a function that logs a file of Alice's and returns it."""
    return lambda name, content: put(people.alice, f"{folder_of(run)}/{name}", content)


def preview(logged, name, content):
    return preview_of(logged(name, content))


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"plain\n", "plain\n"),
        (b"", ""),
        ("émile ☃".encode(), "émile ☃"),
        ("émile".encode("utf-8-sig"), "émile"),
        ("émile".encode("utf-16"), "émile"),
        ("émile".encode("latin-1"), "émile"),
        (b"a" * 199_999 + "é".encode(), "a" * 199_999),
    ],
)
def test_text_is_read_in_the_encoding_it_is_in(logged, content, text):
    shown = preview(logged, "notes.txt", content)
    assert (shown.kind, shown.text) == ("text", text)


@pytest.mark.parametrize(
    "content", [b"a\x00b", b"\x80\x04\x95\x05", b"PK\x03\x04", b"\x89PNG\r\n\x1a\n\x00"]
)
def test_what_is_no_text_is_not_shown(logged, content):
    assert preview(logged, "model.pkl", content).kind == "none"


def test_a_logged_table_is_shown_as_a_table(logged):
    content = {"columns": ["x", "<b>"], "data": [[1.5, "a"], [None, "<i>"], [[1], {"k": "v"}]]}
    shown = preview(logged, "table.json", json.dumps(content).encode())
    assert (shown.kind, shown.head) == ("table", ["x", "<b>"])
    assert shown.rows == [["1.5", "a"], ["null", "<i>"], ["[1]", '{"k": "v"}']]
    long = {"columns": ["x"], "data": [[number] for number in range(MAX_TABLE_ROWS + 1)]}
    shown = preview(logged, "long.json", json.dumps(long).encode())
    assert (len(shown.rows), shown.is_cut) == (MAX_TABLE_ROWS, True)


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b'{"a": 1}',
        b'{"columns": [1], "data": []}',
        b"[" * 100_000,
        b'{"columns": ["a"], "data": 3}',
    ],
)
def test_other_json_is_shown_as_text(logged, content):
    assert preview(logged, "a.json", content).kind == "text"


@pytest.mark.parametrize("name", ["a.svg", "a.html", "a.js", "a.xml", "a.pdf", "a", "a.png"])
def test_a_script_in_a_file_never_runs_with_our_rights(people, as_user, run, logged, name):
    logged(name, SCRIPT)
    client = as_user(people.bob)
    for show in ("", "&show=1"):
        answer = client.get(f"/runs/{run.uuid}/artifacts/file/?path={name}{show}")
        assert answer.getvalue() == SCRIPT
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("sandbox")
        assert "allow-same-origin" not in policy
        assert "default-src 'none'" in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        inline = answer.headers["Content-Disposition"].startswith("inline")
        assert inline == (show != "" and name in {"a.html", "a.png"})
    page = client.get(f"/runs/{run.uuid}/artifacts/?path={name}").content
    assert b"<script>fetch" not in page


def test_strangers_see_no_files(people, as_user, run, logged):
    logged("a.txt", b"secret")
    for part in ("", "file/"):
        address = f"/runs/{run.uuid}/artifacts/{part}?path=a.txt"
        assert as_user(people.charlie).get(address).status_code == 404
        assert as_user(people.bob).get(address).status_code == 200


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "%2e%2e/x", "a%00"])
def test_a_hostile_path_of_a_page_is_refused(people, as_user, run, path):
    for part in ("", "file/"):
        address = f"/runs/{run.uuid}/artifacts/{part}"
        assert as_user(people.bob).get(address, {"path": path}).status_code == 400
