"""The first minutes: the printed link makes the administrator, once, and an empty home says what to do."""

import pytest

from tests.e2e.conftest import PATIENCE_MS, first_link, start_product
from tests.e2e.steps import PASSWORD


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    product = start_product(tmp_path_factory.mktemp("fresh") / "data")
    yield product
    product.stop()
    product.close()


def test_printed_link_makes_the_administrator_once_and_leads_to_a_home_that_says_what_to_do(
    fresh, browser
):
    link = first_link(fresh)
    base = link.split("/first-sign-in/")[0]
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(link)
    page.fill("[name=username]", "alice")
    page.fill("[name=password1]", PASSWORD)
    page.fill("[name=password2]", "something else 77")
    page.click("main button.btn-primary")
    assert page.locator(".field-error").first.is_visible()
    page.fill("[name=password1]", PASSWORD)
    page.fill("[name=password2]", PASSWORD)
    page.click("main button.btn-primary")
    page.wait_for_url(f"{base}/")
    page.get_by_role("heading", name="From a file to a model").wait_for()
    page.get_by_role("link", name="Upload a file").click()
    page.wait_for_url("**/datasets/upload/")

    stranger = browser.new_context().new_page()
    stranger.set_default_timeout(PATIENCE_MS)
    answer = stranger.goto(link)
    assert answer.status == 404
    assert stranger.locator("[name=password1]").count() == 0
    stranger.goto(f"{base}/")
    stranger.fill("[name=username]", "alice")
    stranger.fill("[name=password]", "wrong wrong wrong")
    stranger.click("main button.btn-primary")
    stranger.locator(".field-error, [role=alert], .callout").first.wait_for()
    stranger.fill("[name=username]", "alice")
    stranger.fill("[name=password]", PASSWORD)
    stranger.click("main button.btn-primary")
    stranger.wait_for_url(f"{base}/")
    stranger.context.close()
    context.close()


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/datasets/", "Begin with a table"),
        ("/runs/", ""),
        ("/models/", ""),
        ("/train/", "No dataset is ready yet"),
        ("/jobs/", ""),
    ],
)
def test_empty_page_says_what_to_do_next(fresh, browser, path, words):
    context = browser.new_context(viewport={"width": 360, "height": 740})
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    base = first_link(fresh).split("/first-sign-in/")[0]
    page.goto(f"{base}{path}")
    page.fill("[name=username]", "alice")
    page.fill("[name=password]", PASSWORD)
    page.click("main button.btn-primary")
    page.wait_for_url(f"{base}{path}")
    empty = page.locator(".empty-state")
    assert words in empty.inner_text()
    context.close()
