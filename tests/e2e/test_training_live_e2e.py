"""Watching a training: form, live page in several windows, pause, killed web server, killed worker, stop."""

import os
import re
import signal

import psutil
import pytest

from tests.e2e.steps import eventually, until

# Some five seconds of learning on an idle machine, long enough to be interrupted.
LONG = {"n_estimators": 1200, "max_depth": 6, "learning_rate": 0.02}
STATUS = "() => document.querySelector('[data-status-for=run]').dataset.status"
PERCENT = "() => parseInt(document.querySelector('[data-run-percent]').textContent)"
LINES = "() => [...document.querySelectorAll('#run-log [data-line]')].map((line) => Number(line.dataset.line))"
# A second follower of the page's own connection: every event it delivers, with its number.
FOLLOW = """() => {
  const { topic, after } = JSON.parse(document.getElementById("run-live").textContent);
  globalThis[Symbol.for("assay.live")].follow(topic, after, ({ seq, kind }) => globalThis.heard(after, seq, kind));
}"""


class Window:
    """One browser window on the run page that notes every event it hears, over reloads too."""

    def __init__(self, visitor, run):
        self.visitor, self.page = visitor, visitor.page
        self.loads: dict[int, list[tuple[int, str]]] = {}
        visitor.context.expose_function("heard", self._hear)
        visitor.open(f"/runs/{run}/")
        self.page.evaluate(FOLLOW)

    def _hear(self, after, seq, kind):
        self.loads.setdefault(after, []).append((seq, kind))

    def count(self, kind):
        self.page.evaluate("1")  # lets calls from the page in
        return sum(one == kind for events in self.loads.values() for _, one in events)

    def status(self):
        return until(self.page, STATUS)

    def wait_status(self, *wanted):
        until(self.page, f"wanted => wanted.includes(({STATUS})())", list(wanted))

    def wait_percent(self, at_least):
        until(self.page, f"least => ({PERCENT})() >= least", at_least)

    def gaps(self):
        """Return the places where an event is missing, doubled or out of order."""
        return [
            (before, number)
            for after, events in self.loads.items()
            for before, number in zip(
                [after, *(seq for seq, _ in events)], (seq for seq, _ in events), strict=False
            )
            if number != before + 1
        ]


def test_form_follows_the_model_and_keeps_what_was_unticked(visit, stars):
    visitor = visit()
    page = visitor.open(f"/train/?dataset={stars}")
    page.select_option("#id_target", "verdict")
    page.locator("#training-fields:not([aria-busy])").wait_for()
    page.uncheck('input[name=features][value="noise"]')
    assert page.locator("[data-used-count]").inner_text() == "3"
    page.check('input[name=model_type][value="random_forest"]')
    page.locator('[name="hp-n_estimators"]').wait_for()
    until(
        page, "() => document.querySelector('input[name=features][value=noise]').checked === false"
    )
    page.check('input[name=template][value="thorough"]')
    until(page, "() => document.querySelector('[name=hp-n_estimators]').value === '600'")
    assert page.locator("[data-used-count]").inner_text() == "3"
    page.select_option("[name=validation]", "kfold")
    assert page.locator("[name=n_folds]").is_visible()
    assert not page.locator("[name=test_fraction]").is_visible()
    page.select_option("[name=validation]", "time")
    assert page.locator("[name=time_column]").is_visible()
    assert visitor.complaints() == []


def test_refused_setting_is_named_at_its_field(visit, stars):
    page = visit().open(f"/train/?dataset={stars}")
    page.fill('[name="hp-max_iter"]', "0")
    page.locator("#training-form").evaluate("form => form.noValidate = true")
    page.get_by_role("button", name="Start training").click()
    field = page.locator(".field.has-error", has=page.locator('[name="hp-max_iter"]'))
    field.wait_for()
    assert "1" in field.locator(".field-error").inner_text()


def test_three_windows_see_a_training_move_through_pause_resume_and_a_killed_web_server(
    visit, installation, stars
):
    form = visit()
    page = form.open(f"/train/?dataset={stars}")
    page.select_option("#id_target", "verdict")
    page.check('input[name=model_type][value="gradient_boosting"]')
    page.locator('[name="hp-subsample"]').wait_for()
    for name, value in LONG.items():
        page.fill(f'[name="hp-{name}"]', str(value))
    page.get_by_role("button", name="Start training").click()
    page.wait_for_url(re.compile(r"/runs/\w{32}/"))
    run = re.search(r"/runs/(\w+)/", page.url)[1]
    windows = [Window(visit(), run)]
    first = windows[0]
    first.page.get_by_role("button", name="Pause").click()
    first.wait_status("paused")
    windows += [Window(visit(), run), Window(visit(width=360, height=740, theme="dark"), run)]
    phone = windows[-1]
    assert phone.page.locator("[data-run-sentence]").inner_text().startswith("Paused")
    phone.page.get_by_role("button", name="Resume").click()
    for window in windows:
        window.page.locator("#curves canvas").first.wait_for()
        eventually(lambda window=window: window.count("run.metrics") > 3)
        window.wait_percent(1)
        window.page.locator("[data-run-sentence]").wait_for(state="hidden")

    product = installation.product
    before = product.children()["web"]
    os.kill(before, signal.SIGKILL)
    eventually(lambda: product.children().get("web") not in {None, before})
    heard = [window.count("run.progressed") for window in windows]
    for window, count in zip(windows, heard, strict=True):
        eventually(lambda window=window, count=count: window.count("run.progressed") > count)
        window.wait_status("completed")
        window.page.get_by_role("link", name="Report").first.wait_for()
        assert window.gaps() == []
        numbers = until(window.page, LINES)
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        told = [
            one for one in window.visitor.troubles if "WebSocket" not in one and "ERR_" not in one
        ]
        assert told == []
    assert len({tuple(until(window.page, LINES)) for window in windows}) == 1


def test_stop_keeps_what_was_learned_and_retry_goes_on(visit, installation, stars):
    job = installation.api.start(stars, "verdict", "gradient_boosting", hyperparameters=LONG)
    window = Window(visit(), job["run"])
    window.wait_percent(2)
    window.page.get_by_role("button", name="Stop").click()
    dialog = window.page.locator("dialog[open]")
    dialog.get_by_role("button", name="Stop").click()
    window.wait_status("stopped")
    window.page.get_by_role("link", name="Report").first.wait_for()
    window.page.get_by_role("button", name="Try again").click()
    window.wait_status("running")
    window.wait_percent(2)
    installation.api.post(f"/ml-platform/training-jobs/{job['id']}/control/", {"action": "stop"})
    window.wait_status("stopped")
    installation.api.wait_over(job["id"])


@pytest.mark.chaos
def test_killed_worker_is_replaced_and_the_page_shows_the_run_go_on(visit, installation, stars):
    job = installation.api.start(stars, "verdict", "gradient_boosting", hyperparameters=LONG)
    window = Window(visit(), job["run"])
    window.wait_percent(5)
    for process in installation.product.family():
        if "run_job" in process.cmdline():
            psutil.Process(process.ppid()).kill()
    attempt = "() => Number(document.querySelector('[data-run-attempt]').textContent)"
    until(window.page, f"() => ({attempt})() === 2")
    window.wait_status("completed")
    window.page.get_by_role("link", name="Report").first.wait_for()
    assert window.gaps() == []


def test_training_without_enough_memory_says_so_in_words(visit, installation, stars):
    job = installation.api.start(
        stars, "verdict", "random_forest", memory_limit_bytes=64 * 1024 * 1024
    )
    visitor = visit()
    page = visitor.open(f"/runs/{job['run']}/")
    until(page, f"() => ({STATUS})() === 'failed'")
    alert = page.locator(".callout-bad")
    alert.wait_for()
    assert "memory" in alert.inner_text()
    assert "Traceback" not in page.locator("main > .stack > .callout").first.inner_text()
    assert page.get_by_role("button", name="Try again").is_visible()
    assert visitor.complaints() == []
