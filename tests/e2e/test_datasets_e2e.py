"""Bringing data: the drop zone, the progress of reading, the exploration pages, files that cannot be read."""

import base64

import pytest

from tests.e2e.samples import KOI, other_csv, stars_csv
from tests.e2e.steps import until

READY = '[data-status-for="version"][data-status="ready"]'
DROP = """([zone, files]) => {
  const carried = new DataTransfer();
  for (const { name, text } of files)
    carried.items.add(new File([Uint8Array.from(atob(text), (c) => c.charCodeAt(0))], name, { type: "text/csv" }));
  const target = document.querySelector(zone);
  for (const type of ["dragenter", "dragover", "drop"])
    target.dispatchEvent(new DragEvent(type, { dataTransfer: carried, bubbles: true, cancelable: true }));
}"""


def drop(page, **files):
    """Drop files on the zone the way a file manager does."""
    carried = [
        {"name": f"{name}.csv", "text": base64.b64encode(text.encode()).decode()}
        for name, text in files.items()
    ]
    page.evaluate(DROP, ["[data-dropzone]", carried])


def test_nasa_file_as_served_is_read_while_one_watches(visit):
    if not KOI.exists():
        pytest.skip("the KOI table is not beside the checkout")
    visitor = visit()
    page = visitor.open("/datasets/upload/")
    page.set_input_files("[data-dropzone] input[type=file]", KOI)
    page.wait_for_url("**/datasets/*/**")
    page.locator(READY).wait_for()  # the page moved on by itself
    assert "9,564" in page.locator(".stats").inner_text()
    page.get_by_role("link", name="kepid").first.wait_for()
    for tab, proof in [
        ("Columns", "Transit Depth"),
        ("Rows", "K00752.01"),
        ("Relations", "Correlation"),
        ("Target", "Proposed to leave out"),
        ("File", "utf-8"),
    ]:
        page.locator("nav.tabs").get_by_role("link", name=tab).click()
        page.locator("nav.tabs a[aria-current=page]", has_text=tab).wait_for()
        assert proof.lower() in page.locator("main").inner_text().lower(), tab
    assert visitor.complaints() == []


def test_two_files_dropped_at_once_become_two_datasets(visit, installation):
    visitor = visit()
    page = visitor.open("/datasets/upload/")
    drop(page, dropped_one=stars_csv(90), dropped_two=other_csv())
    rows = page.locator(".upload")
    page.locator('.upload[data-state="done"]').nth(1).wait_for()
    assert rows.count() == 2
    assert rows.locator("progress").first.evaluate("bar => bar.value") == 100
    names = {one["name"] for one in installation.api.get("/datasets/?limit=100")["results"]}
    assert {"dropped_one", "dropped_two"} <= names
    rows.first.get_by_role("link").click()
    page.locator('[data-status="ready"]').first.wait_for()
    assert visitor.complaints() == []


def test_rows_page_sorts_and_filters(visit, stars):
    page = visit().open(f"/datasets/{stars}/versions/1/rows/")
    page.locator("table.table-grid tbody tr").first.wait_for()
    page.locator("table.table-grid thead").get_by_role("link", name="depth").click()
    page.locator("table.table-grid th[aria-sort]").first.wait_for()
    first = page.locator("table.table-grid tbody tr").first.inner_text()
    page.locator("table.table-grid thead").get_by_role("link", name="depth").click()
    until(
        page,
        "text => document.querySelector('table.table-grid tbody tr').innerText !== text",
        first,
    )


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("empty", b"", "The file is empty"),
        ("picture", b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8, "a PNG picture, not a table"),
    ],
)
def test_file_that_is_no_table_is_refused_in_words(visit, name, content, words):
    page = visit().open("/datasets/upload/")
    page.set_input_files(
        "[data-dropzone] input[type=file]",
        {"name": f"{name}.csv", "mimeType": "text/csv", "buffer": content},
    )
    message = page.locator(".upload-message, .callout-bad").first
    message.wait_for()
    assert words in message.inner_text()
    assert "Traceback" not in page.locator("body").inner_text()
