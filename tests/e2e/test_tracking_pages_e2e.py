"""Runs that programs log, seen in a browser: pages move, tables search, runs are compared."""

import pytest

from tests.e2e.steps import eventually, until
from tests.e2e.test_layout_e2e import STICKING_OUT
from tests.e2e.tracking_client import Tracking

ROW = """name => [...document.querySelectorAll("#runs-part tr[data-run]")]
  .filter((row) => row.querySelector(".run-name").textContent.includes(name))
  .map((row) => row.querySelector("[data-status]")?.dataset.status)[0] ?? null"""
NAMES = (
    """() => [...document.querySelectorAll("#runs-part .run-name a")].map((a) => a.textContent)"""
)
# A mark that a reload would wipe out.
MARK = "() => { window.stillHere = true; }"
MARKED = "() => window.stillHere === true"
DRAWN = """id => { const canvas = document.querySelector(`${id} canvas`); return canvas !== null && canvas.width > 0; }"""


@pytest.fixture(scope="session")
def tracking(installation):
    return Tracking(installation.url, installation.api.headers)


@pytest.fixture(scope="session")
def logged(tracking):
    """An experiment of three ended runs with curves; one curve has a spike."""
    experiment = tracking.experiment("Orchard")
    runs = []
    for number, (model, rate) in enumerate((("cnn", 0.1), ("mlp", 0.01), ("cnn", 0.01))):
        uuid = tracking.run(
            experiment, f"tree {number}", params={"model": model, "rate": rate},
            tags={"team": "green"},
        )  # fmt: skip
        for step in range(30):
            spike = 5.0 if (number, step) == (0, 17) else 0.0
            tracking.log(uuid, step, loss=1.0 / (step + 1) + rate + spike, accuracy=step / 30)
        tracking.end(uuid)
        runs.append(uuid)
    return experiment, runs


def test_a_run_logged_elsewhere_moves_through_the_open_table(visit, tracking, logged):
    experiment, _ = logged
    visitor = visit()
    page = visitor.open(f"/experiments/{experiment}/")
    page.evaluate(MARK)
    uuid = tracking.run(experiment, "newcomer", metrics={"loss": 0.75})
    until(page, f"(name) => ({ROW})(name) === 'running'", "newcomer")
    tracking.end(uuid, "FAILED")
    until(page, f"(name) => ({ROW})(name) === 'failed'", "newcomer")
    assert page.evaluate(MARKED)
    assert visitor.complaints() == []
    tracking.post("runs/delete", run_id=uuid)
    until(page, f"(name) => ({ROW})(name) === null", "newcomer")


def test_the_open_page_of_a_run_shows_new_values_curves_and_its_end(visit, tracking, logged):
    experiment, _ = logged
    uuid = tracking.run(experiment, "walker", metrics={"loss": 0.9})
    visitor, charts = visit(), visit()
    page = visitor.open(f"/runs/{uuid}/")
    drawn = charts.open(f"/runs/{uuid}/charts/")
    for one in (page, drawn):
        one.evaluate(MARK)
    value = "() => document.querySelector('[data-metric=loss] [data-value]').textContent"
    tracking.log(uuid, 1, loss=0.25)
    until(page, f"() => ({value})() === '0.25'")
    tracking.log(uuid, 2, brandnew=7.0)
    until(page, "() => document.querySelector('[data-metric=brandnew]') !== null")
    until(drawn, "() => document.querySelector('figure[data-metric=brandnew] canvas') !== null")
    tracking.post("runs/set-tag", run_id=uuid, key="mlflow.note.content", value="**seen**")
    until(page, "() => document.querySelector('.run-note strong')?.textContent === 'seen'")
    tracking.end(uuid)
    for one in (page, drawn):
        until(one, "() => document.querySelector('[data-status-for=run]').dataset.status === 'completed'")  # fmt: skip
        assert one.evaluate(MARKED)
    assert visitor.complaints() == []
    assert charts.complaints() == []


def test_a_program_reads_the_wish_to_stop(visit, tracking, logged):
    uuid = tracking.run(logged[0], "stoppable")
    page = visit().open(f"/runs/{uuid}/")
    page.click("main button[value=stop]")
    page.click("[data-confirm-slot=ok]")
    eventually(lambda: tracking.tags_of(uuid).get("assay.stop") == "true")
    tracking.end(uuid, "KILLED")
    until(page, "() => document.querySelector('[data-status-for=run]').dataset.status === 'stopped'")  # fmt: skip


def test_the_table_searches_sorts_and_takes_columns(visit, logged):
    experiment, _ = logged
    visitor = visit()
    page = visitor.open(f"/experiments/{experiment}/")
    page.fill("main input[name=q]", "params.model = 'cnn' AND metrics.loss < 0.1")
    page.keyboard.press("Enter")
    until(page, f"() => JSON.stringify(({NAMES})()) === '[\"tree 2\"]'")
    page.goto(f"{visitor.base_url}/experiments/{experiment}/?q=tree")
    page.click("th[data-column='metrics.loss'] a")
    until(page, "() => document.querySelector('th[data-column=\"metrics.loss\"]').ariaSort === 'descending'")  # fmt: skip
    assert page.evaluate(NAMES)[0] == "tree 0"
    page.click("[data-column-menu] summary")
    page.fill("[data-key-search]", "tea")
    page.locator("[data-found] label", has_text="team").click()
    page.click("[data-columns] button[type=submit]")
    until(page, "() => document.querySelector('th[data-column=\"tags.team\"]') !== null")
    assert "metrics.loss" in page.url  # the order stays
    assert visitor.complaints() == []


def test_chosen_runs_are_tagged_deleted_and_restored_together(visit, tracking, logged):
    experiment = tracking.experiment("Nursery")
    uuids = [tracking.run(experiment, f"seed {number}") for number in range(3)]
    visitor = visit()
    page = visitor.open(f"/experiments/{experiment}/")
    assert not page.locator("[data-bulk]").is_visible()
    for uuid in uuids[:2]:
        page.check(f"input[value='{uuid}']")
    assert page.locator("[data-bulk-count]").inner_text() == "2"
    page.click("[data-bulk] summary")
    page.fill("[data-bulk] input[name=key]", "bed")
    page.fill("[data-bulk] input[name=value]", "north")
    page.click("[data-bulk] button[value=tag]")
    page.locator(".notice", has_text="2 runs were tagged").wait_for()
    assert tracking.tags_of(uuids[0])["bed"] == "north"
    assert "bed" not in tracking.tags_of(uuids[2])
    page.check("[data-check-all]")
    page.click("[data-bulk] button[value=delete]")
    page.click("[data-confirm-slot=ok]")
    page.locator(".notice", has_text="3 runs were deleted").wait_for()
    page.goto(f"{visitor.base_url}/experiments/{experiment}/?view=deleted")
    page.check(f"input[value='{uuids[1]}']")
    page.click("[data-bulk] button[value=restore]")
    page.locator(".notice", has_text="1 run was restored").wait_for()
    page.goto(f"{visitor.base_url}/experiments/{experiment}/")
    assert page.evaluate(NAMES) == ["seed 1"]
    assert visitor.complaints() == []


def test_a_refresh_keeps_what_is_chosen(visit, tracking, logged):
    experiment, runs = logged
    page = visit().open(f"/experiments/{experiment}/")
    page.check(f"input[value='{runs[0]}']")
    uuid = tracking.run(experiment, "disturber")
    until(page, f"(name) => ({ROW})(name) !== null", "disturber")
    assert page.is_checked(f"input[value='{runs[0]}']")
    tracking.end(uuid)


def test_curves_have_scale_smoothing_axis_and_zoom(visit, logged):
    _, runs = logged
    visitor = visit()
    page = visitor.open(f"/runs/{runs[0]}/charts/")
    until(page, DRAWN, "figure[data-metric=loss]")
    page.fill("input[name=find]", "acc")
    until(page, "() => document.querySelector('figure[data-metric=loss]').hidden")
    page.fill("input[name=find]", "")
    page.check("input[name=log]")
    page.select_option("select[name=x]", "relative")
    until(page, "() => location.search.includes('x=relative') && location.search.includes('log=1')")
    page.select_option("select[name=x]", "step")
    box = page.locator("figure[data-metric=loss] canvas").bounding_box()
    y = box["y"] + box["height"] / 2
    with page.expect_request(lambda request: "first=" in request.url):
        page.mouse.move(box["x"] + box["width"] * 0.4, y)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.7, y, steps=8)
        page.mouse.up()
    whole = page.locator("figure[data-metric=loss] button", has_text="Whole curve")
    whole.click()
    whole.wait_for(state="hidden")
    assert visitor.complaints() == []


def test_runs_are_compared_in_curves_coordinates_scatter_and_table(visit, logged):
    _, runs = logged
    visitor = visit()
    page = visitor.open(f"/experiments/{logged[0]}/?q=tree")
    for uuid in runs:
        page.check(f"input[value='{uuid}']")
    page.click("[data-bulk] button[data-needs-two]")
    page.wait_for_url("**/compare/?runs=**")
    for place in ("#compare-curves", "#compare-parallel", "#compare-scatter"):
        until(page, DRAWN, place)
    rows = page.locator(".table-compare th[scope=row]").all_inner_texts()
    assert {"model", "rate", "loss"} <= set(rows)
    assert "team" not in rows
    page.select_option("[data-metric]", "metrics.loss")
    page.select_option("[data-scatter-y]", "metrics.loss")
    assert "sy=metrics.loss" in page.url
    shared = visit().open(page.url)
    until(shared, "() => document.querySelector('[data-scatter-y]').value === 'metrics.loss'")
    assert visitor.complaints() == []


def test_addresses_that_programs_print_lead_to_the_run(visit, logged):
    experiment, runs = logged
    page = visit().open(f"/#/experiments/{experiment}/runs/{runs[0]}")
    page.wait_for_url(f"**/runs/{runs[0]}/")


@pytest.mark.parametrize("language", ["en", "ar"])
def test_pages_of_tracking_fit_phone_and_desk_in_both_themes(windows, logged, language):
    experiment, runs = logged
    visitor = windows[language]
    visitor.troubles.clear()
    pages = ["/experiments/", f"/experiments/{experiment}/?group=params.model", "/runs/"]
    pages += [f"/runs/{runs[0]}/{part}" for part in ("", "charts/", "system/", "artifacts/")]
    for path in [*pages, f"/compare/?runs={','.join(runs)}"]:
        page = visitor.open(path)
        page.wait_for_load_state("networkidle")
        for theme in ("light", "dark"):
            page.evaluate("theme => { document.documentElement.dataset.bsTheme = theme; }", theme)
            for width in (1440, 360):
                page.set_viewport_size({"width": width, "height": 800})
                page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")  # fmt: skip
                assert page.evaluate(STICKING_OUT) == [], (path, theme, width)
    assert visitor.complaints() == []
