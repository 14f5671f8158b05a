"""Every main page in two languages, two themes and two widths; keyboard, theme, no scripts, hostile names."""

import re

import pytest

from tests.e2e.samples import PAYLOADS, attacking_csv
from tests.e2e.steps import PASSWORD, until

PAGES = [
    "/", "/datasets/", "/datasets/upload/", "/datasets/sources/", "/datasets/{dataset}/",
    *(f"/datasets/{{dataset}}/versions/1/{part}" for part in ("", "columns/", "rows/", "relations/", "target/", "file/")),
    "/train/", "/train/?dataset={dataset}", "/runs/", "/runs/{run}/", "/runs/{run}/report/",
    "/runs/{run}/report/print/", "/runs/{run}/predictions/", "/runs/{run}/explain/?row=0", "/runs/{run}/try/",
    "/models/", "/models/{model}/", "/models/{model}/versions/1/", "/jobs/", "/search/?q=star",
    "/account/", "/projects/", "/account/tokens/", "/people/",
]  # fmt: skip
# What sticks out of the window and cannot be scrolled to: body clips, so its scroll width says nothing.
STICKING_OUT = """() => {
  const wide = document.documentElement.clientWidth;
  const boxed = (element) => {
    for (let one = element.parentElement; one && one !== document.body; one = one.parentElement)
      if (getComputedStyle(one).overflowX !== "visible") return true;
    return false;
  };
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const { left, right, width, height } = element.getBoundingClientRect();
    if (width < 2 || height < 2 || (left >= -1 && right <= wide + 1)) continue;
    const style = getComputedStyle(element);
    if (style.visibility === "hidden" || style.position === "fixed" || element.closest("svg, .skip-link, .sidebar, .visually-hidden") || boxed(element)) continue;
    found.push(`${element.tagName}.${element.className} ${Math.round(left)}..${Math.round(right)} of ${wide}`);
  }
  if (document.documentElement.scrollWidth > wide + 1) found.push(`page scrolls to ${document.documentElement.scrollWidth} of ${wide}`);
  return found.slice(0, 5);
}"""


@pytest.mark.parametrize("language", ["en", "ar"])
@pytest.mark.parametrize("path", PAGES)
def test_page_fits_phone_and_desk_in_both_themes_without_complaints(
    windows, finished, path, language
):
    visitor = windows[language]
    visitor.troubles.clear()
    answer = visitor.page.goto(visitor.base_url + path.format(**vars(finished)))
    page = visitor.page
    assert answer.status == 200
    page.wait_for_load_state("networkidle")
    direction = {"en": "ltr", "ar": "rtl"}[language]
    assert page.evaluate("[document.documentElement.dir, document.documentElement.lang]") == [
        direction,
        language,
    ]
    assert page.locator("h1").count() == 1
    for theme in ("light", "dark"):
        page.evaluate(
            "theme => { document.documentElement.dataset.bsTheme = theme; document.dispatchEvent(new Event('assay:theme')); }",
            theme,
        )
        for width in (1440, 360):
            page.set_viewport_size({"width": width, "height": 800})
            page.evaluate(
                "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
            )
            assert page.evaluate(STICKING_OUT) == [], (theme, width)
    assert visitor.complaints() == []


def test_keyboard_reaches_the_content_and_the_menus(visit, finished):
    page = visit().open("/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip-link"
    page.keyboard.press("Enter")
    until(page, "() => document.activeElement.id === 'content'")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "site-search"
    page.keyboard.type("stars")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search/?q=stars")
    assert page.locator("main").get_by_role("link", name="stars").first.is_visible()


def test_navigation_of_a_phone_opens_and_closes_by_keyboard(visit, finished):
    page = visit(width=360, height=740).open("/")
    assert not page.locator("#site-nav").is_visible()
    page.locator(".topbar-nav").focus()
    page.keyboard.press("Enter")
    page.locator("#site-nav").wait_for()
    page.keyboard.press("Escape")
    page.locator("#site-nav").wait_for(state="hidden")
    page.locator(".topbar-nav").click()
    page.locator("#site-nav").get_by_role("link", name="Runs").click()
    page.wait_for_url("**/runs/")


def test_chosen_theme_stays_over_pages(visit, finished):
    page = visit().open("/")
    page.locator("summary[aria-label=Theme]").click()
    page.locator("[data-theme-choice=dark]").click()
    assert page.evaluate("document.documentElement.dataset.bsTheme") == "dark"
    page.goto(page.url + "runs/")
    assert page.evaluate("document.documentElement.dataset.bsTheme") == "dark"
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert max(int(part) for part in re.findall(r"\d+", dark)[:3]) < 60


@pytest.mark.parametrize(
    "path",
    [
        "/", "/datasets/{dataset}/versions/1/", "/datasets/{dataset}/versions/1/rows/", "/runs/{run}/",
        "/runs/{run}/report/", "/runs/{run}/predictions/", "/models/{model}/", "/models/{model}/versions/1/",
    ],
)  # fmt: skip
def test_page_is_readable_without_scripts(visit, finished, path):
    page = visit(js=False).open(path.format(**vars(finished)))
    assert page.locator("h1").inner_text()
    main = page.locator("main")
    assert main.locator("h2, table caption, table thead th").count() > 0
    assert main.locator("table tbody tr, dl dt").count() > 0
    assert page.locator(".js-only:visible").count() == 0


def test_hostile_names_are_text_everywhere(visit, installation):
    hostile = PAYLOADS[0]
    api = installation.api
    dataset = api.dataset(hostile, attacking_csv())
    job = api.start(
        dataset, "label", "logistic_regression", name=PAYLOADS[1], task="classification",
        experiment=PAYLOADS[2],
    )  # fmt: skip
    assert api.wait_over(job["id"]) == "completed"
    visitor = visit()
    version, run = f"/datasets/{dataset}/versions/1/", f"/runs/{job['run']}/"
    paths = [
        "/",
        "/datasets/",
        f"/datasets/{dataset}/",
        "/runs/",
        "/jobs/",
        f"/train/?dataset={dataset}",
        "/search/?q=%3Cimg",
    ]
    paths += [
        version + part for part in ("", "columns/", "rows/", "relations/", "target/", "file/")
    ]
    paths += [
        run + part
        for part in ("", "report/", "report/print/", "predictions/", "explain/?row=0", "try/")
    ]
    for path in paths:
        page = visitor.open(path)
        page.wait_for_load_state("networkidle")
        for chart in page.locator(".chart:visible").all()[:3]:
            chart.hover(force=True)  # tooltips show names as well
        assert page.locator("img[src=x], main svg[onload], h1 script").count() == 0, path
    assert visitor.complaints() == []


def test_invited_person_without_a_project_is_told_what_to_do(visit, installation):
    invited = installation.api.post("/people/", {"username": "charlie"})
    visitor = visit(signed_in=False)
    page = visitor.open(invited["set_password_url"])
    for field in page.locator("main input[type=password]").all():
        field.fill(PASSWORD)
    page.click("main button.btn-primary")
    page.locator("[name=new_password1]").wait_for(state="detached")
    page.goto(f"{installation.url}/")
    if page.locator("[name=username]").count():
        page.fill("[name=username]", "charlie")
        page.fill("[name=password]", PASSWORD)
        page.click("main button.btn-primary")
        page.wait_for_url(f"{installation.url}/")
    assert page.locator(".empty-state").is_visible()
    for path in ("/datasets/", "/runs/", "/models/", "/train/", "/jobs/"):
        page.goto(installation.url + path)
        assert page.locator("h1").count() == 1
        assert "project" in page.locator("main").inner_text().lower(), path
