"""A running installation, a real browser, and visitors who complain about what goes wrong."""

import re
import socket
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Page, sync_playwright

from tests.e2e.samples import stars_csv
from tests.e2e.steps import PASSWORD, Api
from tests.probe.product import Product

PORTS = range(8410, 8430)
CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-quic", "--disable-dev-shm-usage",
]  # fmt: skip
PATIENCE_MS = 90_000
# Counts violations of the content policy, which the console reports only in words.
WATCHER = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (e) => window.violations.push(e.violatedDirective + " " + e.blockedURI));
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.name.endswith("_e2e.py"):  # the others here need no browser
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.timeout(600))


def free_port() -> int:
    for port in PORTS:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
    raise AssertionError("no free port")


def start_product(data_dir: Any) -> Product:
    """Start what `make run` starts; its log holds the first administrator's link."""
    product = Product(
        data_dir, free_port(), DJANGO_SETTINGS_MODULE="platform_site.settings", WORKERS="2", JOB_LEASE_S="6"
    )  # fmt: skip
    try:
        product.wait_ready(120)
    except BaseException:
        product.close()
        raise
    return product


def first_link(product: Product) -> str:
    found = re.search(r"http://\S+/first-sign-in/\S+", product.log.read_text())
    assert found
    return found[0]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        try:
            chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        except Error as error:
            pytest.skip(f"no chromium: {error.message.splitlines()[0]}")
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def installation(browser: Browser, tmp_path_factory: Any) -> Iterator[SimpleNamespace]:
    """A running product with the administrator alice; `state` signs a browser in as her."""
    product = start_product(tmp_path_factory.mktemp("e2e") / "data")
    url = f"http://127.0.0.1:{product.port}"
    try:
        context = browser.new_context()
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.goto(first_link(product))
        page.fill("[name=username]", "alice")
        page.fill("[name=password1]", PASSWORD)
        page.fill("[name=password2]", PASSWORD)
        page.click("main button[type=submit].btn-primary")
        page.wait_for_url(f"{url}/")
        state = context.storage_state()
        context.close()
        yield SimpleNamespace(product=product, url=url, state=state, api=Api(url, "alice"))
    finally:
        product.stop()
        product.close()


@pytest.fixture(scope="session")
def stars(installation: SimpleNamespace) -> int:
    """The id of a ready dataset with the target `verdict`."""
    return installation.api.dataset("stars", stars_csv())


@pytest.fixture(scope="session")
def finished(installation: SimpleNamespace, stars: int) -> SimpleNamespace:
    """A completed run on the stars, registered as the model `star-classifier`."""
    job = installation.api.start(
        stars, "verdict", "hist_gradient_boosting",
        hyperparameters={"max_iter": 20}, register_as="star-classifier", name="First light",
    )  # fmt: skip
    assert installation.api.wait_over(job["id"]) == "completed"
    return SimpleNamespace(run=job["run"], job=job["id"], dataset=stars, model="star-classifier")


class Visitor:
    """One browser window and everything that it complained about."""

    def __init__(self, context: BrowserContext, base_url: str) -> None:
        self.context, self.base_url = context, base_url
        context.add_init_script(WATCHER)
        self.page: Page = context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.troubles: list[str] = []
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.troubles.append(f"script: {error}"))
        self.page.on("dialog", self._dialog)

    def _console(self, message: Any) -> None:
        if message.type == "error":
            self.troubles.append(f"console: {message.text} at {self.page.url}")

    def _dialog(self, dialog: Any) -> None:
        self.troubles.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def open(self, path: str) -> Page:
        """Go to a page of the installation and wait until its scripts have run."""
        self.page.goto(path if path.startswith("http") else self.base_url + path)
        return self.page

    def complaints(self) -> list[str]:
        """Return what went wrong so far, violations of the content policy included."""
        return self.troubles + [f"policy: {one}" for one in self.page.evaluate("window.violations")]


def open_window(
    browser: Browser, installation: SimpleNamespace, *, width: int = 1440, height: int = 900,
    language: str = "en", theme: str = "", js: bool = True, signed_in: bool = True,
) -> Visitor:  # fmt: skip
    context = browser.new_context(
        viewport={"width": width, "height": height},
        java_script_enabled=js,
        reduced_motion="reduce",  # software drawing of animations takes a core of its own
        storage_state=installation.state if signed_in else None,
    )
    cookies = {"django_language": language, **({"assay_theme": theme} if theme else {})}
    context.add_cookies(
        [{"name": name, "value": value, "url": installation.url} for name, value in cookies.items()]
    )
    return Visitor(context, installation.url)


@pytest.fixture
def visit(browser: Browser, installation: SimpleNamespace) -> Iterator[Callable[..., Visitor]]:
    """Return a function that opens a window as alice; windows close with the test."""
    opened: list[Visitor] = []

    def begin(**kwargs: Any) -> Visitor:
        opened.append(open_window(browser, installation, **kwargs))
        return opened[-1]

    yield begin
    for visitor in opened:
        visitor.context.close()


@pytest.fixture(scope="module")
def windows(browser: Browser, installation: SimpleNamespace) -> Iterator[dict[str, Visitor]]:
    """One lasting window per language, whose cache spares loading everything for every page."""
    opened = {
        language: open_window(browser, installation, language=language) for language in ("en", "ar")
    }
    yield opened
    for visitor in opened.values():
        visitor.context.close()
