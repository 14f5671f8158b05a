"""From the report to a registered model: figures, reasons, threshold, prediction of typed values and of a file."""

import re

from tests.e2e.samples import stars_csv
from tests.e2e.steps import until


def test_report_shows_figures_beside_a_baseline_and_its_matrix_leads_to_the_rows(visit, finished):
    visitor = visit()
    page = visitor.open(f"/runs/{finished.run}/report/")
    card = page.locator(".stat-card", has_text="Accuracy").first
    assert re.search(r"0\.\d+ – (0\.\d+|1)", card.inner_text())  # the interval
    assert "baseline" in card.inner_text()
    page.locator(".chart canvas").first.wait_for()
    cell = page.locator("table.confusion td.is-right a").first
    count = int(re.match(r"[\d,]+", cell.inner_text().strip())[0].replace(",", ""))
    cell.click()
    page.wait_for_url("**/predictions/?*")
    page.locator("table.predictions tbody tr").first.wait_for()
    assert page.locator("table.predictions tbody tr").count() == min(count, 25)
    assert visitor.complaints() == []


def test_prediction_gives_its_reasons_with_value_sign_and_words(visit, finished):
    visitor = visit()
    page = visitor.open(f"/runs/{finished.run}/predictions/")
    row = page.locator("table.predictions tbody tr").first
    row.locator("summary").click()
    reasons = row.locator(".why-cell details").inner_text()
    assert "depth" in reasons or "period" in reasons
    assert re.search(r"[+−-]\s?\d", reasons)
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV", exact=True).click()
    text = download.value.path().read_text()
    assert text.startswith('"row","actual","prediction"')
    assert len(text.splitlines()) == 151  # a quarter of 600 rows, and the header
    assert visitor.complaints() == []


def test_any_row_can_be_explained_and_typed_values_predicted(visit, finished):
    visitor = visit()
    page = visitor.open(f"/runs/{finished.run}/explain/?row=5")
    assert "depth" in page.locator("main").inner_text()
    page = visitor.open(f"/runs/{finished.run}/try/")
    field = page.get_by_label("depth")
    field.fill("10")
    page.get_by_label("period").fill("30")
    page.get_by_role("button", name="Predict").click()
    answer = page.locator("#answer .stat-value")
    answer.wait_for()
    assert answer.inner_text() == "planet"
    field.fill("990")
    page.get_by_role("button", name="Predict").click()
    until(page, "() => document.querySelector('#answer .stat-value')?.innerText === 'star'")
    assert "confidence" in page.locator("#answer").inner_text()
    assert visitor.complaints() == []


def test_run_is_registered_and_its_version_knows_run_data_and_author(visit, finished):
    visitor = visit()
    page = visitor.open(f"/runs/{finished.run}/")
    page.get_by_role("link", name="Register the model").click()
    page.fill("#name", "stars by hand")
    page.get_by_role("button", name="Register").click()
    page.wait_for_url("**/models/stars%20by%20hand/versions/1/")
    text = page.locator("main").inner_text()
    for part in ("First light", "stars", "alice", "SHA-256", "Input columns"):
        assert part in text
    page.get_by_role("link", name="First light").click()
    page.wait_for_url(f"**/runs/{finished.run}/")
    assert visitor.complaints() == []


def test_file_is_predicted_while_one_watches_and_an_unfitting_one_is_explained(visit, finished):
    visitor = visit()
    page = visitor.open(f"/models/{finished.model}/versions/1/")
    page.locator("nav.tabs").get_by_role("link", name="file").click()
    page.wait_for_url("**/files/")
    for name, text in (("new_stars", stars_csv(80, seed=9)), ("unfitting", "a,b\n1,2\n3,4\n")):
        page.set_input_files(
            "[data-dropzone] input[type=file]",
            {"name": f"{name}.csv", "mimeType": "text/csv", "buffer": text.encode()},
        )
        state = "failed" if name == "unfitting" else "completed"
        page.locator(
            f"tr:has-text('{name}') [data-status={state}], .upload-message"
        ).first.wait_for()
    with page.expect_download() as download:
        page.locator("tr", has_text="new_stars").get_by_role("link", name="CSV", exact=True).click()
    assert len(download.value.path().read_text().splitlines()) == 81
    text = page.locator("main").inner_text()
    assert "depth" in text  # the refusal names what is missing
    assert visitor.complaints() == []
