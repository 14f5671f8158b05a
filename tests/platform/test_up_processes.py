"""`manage.py up` with real processes: started, killed in every part, stopped, never an orphan."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import psutil
import pytest

from tests.probe.product import ROOT, Product

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(180)]
PORTS = iter(range(8350, 8370))
STOP_WITHIN_S = 5.0


@pytest.fixture(scope="module")
def shared_data_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("up") / "data"


@pytest.fixture
def start(shared_data_dir):
    """Return a function that starts the product; whatever it started ends with the test."""
    started = []

    def begin(port=None, **env):
        product = Product(
            shared_data_dir,
            port or next(PORTS),
            DJANGO_SETTINGS_MODULE="tests.settings",
            ASSAY_TEST_KEEP_DATA_DIR="1",
            **{"WORKERS": "2", "JOB_LEASE_S": "3", **env},
        )
        started.append(product)
        return product

    yield begin
    for product in started:
        product.close()


@pytest.fixture
def drive(shared_data_dir):
    """Return a function that asks the probe's driver, a process beside the product."""
    env = {
        **os.environ,
        "DATA_DIR": str(shared_data_dir),
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "ASSAY_TEST_KEEP_DATA_DIR": "1",
        "PYTHONPATH": str(ROOT),
    }
    driver = subprocess.Popen(
        [sys.executable, "-m", "tests.probe.driver"],
        cwd=ROOT, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip

    def ask(name, *args, **kwargs):
        driver.stdin.write(json.dumps([name, args, kwargs]) + "\n")
        driver.stdin.flush()
        return json.loads(driver.stdout.readline())

    yield ask
    driver.kill()
    driver.wait()


def eventually(condition, within_s=90.0):
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError("it did not happen in time")


def gone(family, within_s):
    """Return those of the family that outlive the time (a zombie has only to be collected)."""
    deadline = time.monotonic() + within_s
    while True:
        alive = [one for one in family if one.is_running() and status(one) != psutil.STATUS_ZOMBIE]
        if not alive or time.monotonic() > deadline:
            return alive
        time.sleep(0.02)


def status(process):
    try:
        return process.status()
    except psutil.NoSuchProcess:
        return psutil.STATUS_ZOMBIE


def test_first_start_migrates_prints_one_sign_in_and_every_signal_ends_all(start):
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        product = start()
        product.wait_ready()
        family = product.wait_whole()
        assert product.stop(number) < STOP_WITHIN_S
        assert product.process.returncode == 0
        assert gone(family, 0.5) == []
        text = product.log.read_text()
        assert text.count("/first-sign-in/") == 1
        assert "Traceback" not in text


def test_every_killed_child_is_replaced_and_leaves_nothing_behind(start):
    product = start()
    product.wait_ready()
    product.wait_whole()
    for role in ("web", "cluster", "sampler"):
        before = product.children()[role]
        below = psutil.Process(before).children(recursive=True)
        os.kill(before, signal.SIGKILL)
        eventually(
            lambda role=role, before=before: product.children().get(role) not in {None, before}
        )
        assert gone(below, 5) == []
    product.wait_whole()
    assert eventually(lambda: product.get("/health") == 200)


def test_no_request_is_refused_while_the_web_server_restarts(start):
    product = start()
    product.wait_ready()
    os.kill(product.children()["web"], signal.SIGKILL)
    assert product.get("/health", timeout_s=20) == 200


def test_killed_supervisor_takes_everything_along(start, drive):
    product = start()
    product.wait_ready()
    product.wait_whole()
    job = drive("start", "probe.count", {"to": 100})
    eventually(lambda: drive("look", job)["progress_percent"] > 0)
    family = product.family()
    os.kill(product.pid, signal.SIGKILL)
    product.process.wait()
    assert gone(family, 5) == []


def test_a_job_at_work_is_saved_by_a_stop_and_goes_on_after_the_next_start(start, drive):
    product = start()
    product.wait_ready()
    product.wait_whole()
    job = drive("start", "probe.count", {"to": 80})
    eventually(lambda: drive("look", job)["progress_percent"] > 2)
    family = product.family()
    assert product.stop() < STOP_WITHIN_S
    assert gone(family, 0.5) == []
    row = drive("look", job)
    # A child that was too slow to save itself keeps its lease and is taken over after that.
    assert (row["status"], row["attempts"]) in {("queued", 0), ("running", 1)}
    assert 0 < row["progress_percent"] < 100
    start().wait_ready()
    eventually(lambda: drive("look", job)["status"] == "completed")
    assert drive("look", job)["result"]["done"] == 80


def suspend_between_writes(cluster, database):
    """Freeze everything below the process at a moment when none of it holds the write lock.

    A frozen writer would keep everybody out for ever, which no killed one can.
    """
    below = psutil.Process(cluster).children(recursive=True)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for process in below:
            process.suspend()
        try:
            with closing(sqlite3.connect(database, timeout=0.2, isolation_level=None)) as look:
                look.execute("BEGIN IMMEDIATE")
                look.execute("ROLLBACK")
        except sqlite3.OperationalError:
            for process in below:
                process.resume()
            time.sleep(0.05)
        else:
            return
    raise AssertionError("somebody writes without pause")


def test_a_wedged_cluster_is_noticed_and_replaced(start, drive):
    product = start()
    product.wait_ready()
    product.wait_whole()
    cluster = product.children()["cluster"]
    # What kill -9 of an idle worker does to django-q2: all are alive, none takes work.
    suspend_between_writes(cluster, product.data_dir / "assay.sqlite3")
    job = drive("start", "probe.count", {"to": 2})
    eventually(lambda: product.children().get("cluster") not in {None, cluster})
    eventually(lambda: drive("look", job)["status"] == "completed")


def test_second_supervisor_on_the_same_data_or_port_says_why_and_leaves(start, tmp_path):
    first = start()
    first.wait_ready()
    again = start()
    assert again.process.wait(60) == 2
    assert "already runs on the data directory" in again.log.read_text()
    other = Product(tmp_path / "data", first.port)
    assert other.process.wait(60) == 2
    assert f"Cannot listen on 127.0.0.1:{first.port}" in other.log.read_text()
    assert first.get("/health") == 200


def test_doctor_finds_a_running_product_healthy_and_a_stopped_one_not(start):
    product = start()
    product.wait_ready()
    product.wait_whole()

    def doctor(*options):
        return subprocess.run(
            [sys.executable, "manage.py", "doctor", "--json", *options],
            cwd=ROOT, env=product.env, capture_output=True, text=True, check=False,
        )  # fmt: skip

    healthy = doctor()
    verdicts = {one["name"]: one["verdict"] for one in json.loads(healthy.stdout)["findings"]}
    assert "failed" not in verdicts.values(), healthy.stdout
    assert {verdicts[name] for name in ("supervisor", "web server", "workers", "queue")} == {"ok"}
    assert healthy.returncode == 0
    product.stop()
    stopped = doctor()
    assert stopped.returncode == 1
    assert "Assay does not run" in stopped.stdout
    assert doctor("--stopped").returncode == 0


def test_daphne_serves_on_the_same_socket_and_stops_in_time(start):
    product = start(ASGI_SERVER="daphne")
    product.wait_ready()
    family = product.wait_whole()
    assert product.stop() < STOP_WITHIN_S
    assert gone(family, 0.5) == []
