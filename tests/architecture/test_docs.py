"""The documents are true: links lead somewhere, named files exist, settings and README agree."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
PACKAGES = ("platform_site", "experiments", "registry", "assets", "monitoring", "tests", "templates", "scripts", "docs", ".ci")  # fmt: skip
READERS = re.compile(r"env_(?:text|flag|int|list|choice|secret)\(\s*\"([A-Z_0-9]+)\"")
ids = {"ids": lambda path: str(path.relative_to(ROOT))}


@pytest.mark.parametrize("document", DOCUMENTS, **ids)
def test_links_of_a_document_lead_somewhere(document):
    targets = re.findall(r"\]\(([^)#\s]+)", document.read_text())
    local = [one for one in targets if not re.match(r"[a-z]+:", one)]
    assert [one for one in local if not (document.parent / one).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, **ids)
def test_files_named_in_a_document_exist(document):
    words = re.findall(r"`([\w./*-]+)`", document.read_text())
    named = [
        word for word in words
        if word.partition("/")[0] in PACKAGES and "/" in word and "<" not in word
    ]  # fmt: skip
    missing = [word for word in named if not list(ROOT.glob(word.rstrip("/")))]
    assert missing == []


def test_the_readme_describes_every_setting_and_no_other():
    sources = (ROOT / "platform_site" / "settings").glob("*.py")
    known = {name for path in sources for name in READERS.findall(path.read_text())}
    table = (ROOT / "README.md").read_text().partition("## Configuration")[2].partition("\n## ")[0]
    first_cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    described = {name for cell in first_cells for name in re.findall(r"`([A-Z_0-9]+)`", cell)}
    assert described == known


def test_the_readme_needs_two_commands_on_its_first_screen():
    first_screen = (ROOT / "README.md").read_text()[:1200]
    assert len(re.findall(r"^\$ ", first_screen, re.M)) == 2


def test_every_make_target_that_documents_name_exists():
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z0-9-]+):", makefile, re.M))
    text = "\n".join(document.read_text() for document in DOCUMENTS)
    named = {name for words in re.findall(r"`make ([a-z0-9 -]+?)`", text) for name in words.split()}
    assert named <= targets
    assert {"run", "test", "check", "e2e", "bench", "lock", "format"} <= targets


def test_every_decision_is_listed_and_says_why():
    folder = ROOT / "docs" / "decisions"
    pages = sorted(folder.glob("[0-9]*.md"))
    listed = re.findall(r"\]\((\d{4}[\w-]+\.md)\)", (folder / "README.md").read_text())
    assert listed == [page.name for page in pages]
    for page in pages:
        assert {"## Why", "## Decision", "## Consequences"} <= set(page.read_text().splitlines())


def test_every_command_of_ours_has_a_test():
    commands = [
        path.stem
        for path in ROOT.glob("*/**/management/commands/*.py")
        if path.stem != "__init__"
        and not any(part.startswith(".venv") for part in path.parts)
        and "node_modules" not in path.parts
    ]
    tests = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("*.py"))
    assert {"up", "doctor", "run_job"} <= set(commands)
    assert [name for name in commands if name not in tests] == []
