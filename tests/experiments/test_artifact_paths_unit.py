"""Names in the artifact tree: what round-trips, what is refused, in every disguise."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.artifact_paths import (
    base_name,
    clean_folder,
    clean_path,
    folders_of,
    model_uri,
    path_of_uri,
    run_uri,
)
from platform_site.core.errors import Invalid

NOT_RELATIVE = [
    "/etc/passwd", "//etc/passwd", "%2fetc/passwd", "\\\\host\\share", "\\x", "%5c%5chost%5cshare",
    "C:\\", "C:/x", "c:\\windows", "%43:%5c", "D:",
    "file:///etc/passwd", "FILE:/etc", "file:etc", "%66ile:///etc", "http://host/x",
]  # fmt: skip
HOSTILE = [
    "..", "../x", "../../../../etc/passwd", "a/../b", "a/..",
    "..%2f..%2fetc/passwd", "%2e%2e/%2e%2e/canary", "%252e%252e%252f", "a/%2e%2e/b",
    "%252E%252E%252F%252E%252E%252Fetc%252fpasswd", "%25252e%25252e/x",
    "..%5c..%5c", "..\\..\\x", "a\\..\\b",
    "http:///#/../../../../etc/", "a#b", "a%23b", "a?/a", "a%3fb",
    "a\x00.txt", "a%00.txt", "a%2500.txt", "a\nb", "a\tb", "a\x7fb", "a\x85b", "a\u2028b",
    "%c0%ae%c0%ae/x", "\u2025/x", "\uff0e\uff0e/x", "\uff0e\uff0e\uff0fx",
    "./x", "a/./b", "a/ ", ".", "...", "....//....//x", ". ./x",
    "x\u202etxt.exe", "x\u2066y", "\ud800",
    "a" * 256, "\u00e9" * 128, "a/" * 2500, "a" * 5000, "%25" * 3000,
]  # fmt: skip


@pytest.mark.parametrize("path", HOSTILE)
def test_a_hostile_path_is_refused_in_every_disguise(path):
    with pytest.raises(Invalid) as caught:
        clean_path(path)
    assert caught.value.message.startswith("Invalid path")
    with pytest.raises(Invalid):
        clean_path(f"7/run/artifacts/{path}")


@pytest.mark.parametrize("path", NOT_RELATIVE)
def test_a_path_that_is_not_relative_is_refused(path):
    with pytest.raises(Invalid, match="Invalid path"):
        clean_path(path)


KEPT = [
    "a.txt", "name with spaces.txt", "a+b & 'c' \"d\"; e.txt", "back\\slash.txt", "100%.txt",
    "50%25.txt", "日本語/ファイル.txt", "émile.txt", "مرحبا.txt", "😀.png", ".hidden", "..x", "x..",
    "a..b/c", "CON", "aux.txt", "x::$DATA", "trailing.", " lead", "a:b", "MLmodel", "a%20b",
    "a" * 255,
]  # fmt: skip


@pytest.mark.parametrize("path", KEPT)
def test_an_odd_but_honest_name_is_kept_as_it_is(path):
    assert clean_path(path) == path


def test_both_spellings_of_an_accent_are_one_name():
    assert clean_path(unicodedata.normalize("NFD", "émile")) == "\u00e9mile"


def test_empty_names_vanish_and_the_root_is_no_file():
    assert clean_path("a//b/") == "a/b"
    assert clean_folder("") == ""
    with pytest.raises(Invalid):
        clean_path("")


def test_a_path_of_1024_characters_is_the_longest():
    longest = "/".join(["a" * 204] * 5)
    assert clean_path(longest) == longest
    with pytest.raises(Invalid, match="1024"):
        clean_path(longest + "a")


@given(st.text(max_size=60))
def test_what_is_accepted_is_stable_relative_and_has_no_parent(text):
    try:
        path = clean_folder(text)
    except Invalid:
        return
    assert clean_folder(path) == path
    assert not path.startswith("/")
    assert ".." not in path.split("/")


def test_the_name_of_a_local_file_is_found_on_every_system():
    assert base_name("/home/me/model.bin") == "model.bin"
    assert base_name("C:\\data\\model.bin") == "model.bin"
    assert base_name("model.bin") == "model.bin"


def test_the_folders_of_a_path_come_outermost_first():
    assert folders_of("a/b/c.txt") == ["a", "a/b"]
    assert folders_of("c.txt") == []


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("mlflow-artifacts:/7", "7"),
        ("mlflow-artifacts:/7/", "7"),
        ("mlflow-artifacts:/", ""),
        ("mlflow-artifacts:/team/models", "team/models"),
        ("mlflow-artifacts://elsewhere:5000/7", None),
        ("mlflow-artifacts:/../x", None),
        ("s3://bucket/7", None),
        ("file:///etc", None),
        ("/etc", None),
        ("", None),
    ],
)
def test_only_addresses_of_our_store_have_a_path(uri, path):
    assert path_of_uri(uri) == path


def test_runs_and_models_lie_below_their_experiment():
    assert run_uri("mlflow-artifacts:/7", "r") == "mlflow-artifacts:/7/r/artifacts"
    assert model_uri("mlflow-artifacts:/x/", "m-1") == "mlflow-artifacts:/x/models/m-1/artifacts"
