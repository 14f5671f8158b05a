"""Jobs in real processes: a django-q2 cluster, its supervisors and their children, killed and wished at."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from platform_site.jobs.child_process import ChildProcess

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.chaos


class Installation:
    """A throw-away installation with a running cluster; everything it started ends with it."""

    def __init__(self, data_dir: Path) -> None:
        self.env = {
            **os.environ,
            "DATA_DIR": str(data_dir),
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "ASSAY_TEST_KEEP_DATA_DIR": "1",
            "WORKERS": "2",
            "JOB_LEASE_S": "3",
            "PYTHONPATH": str(ROOT),
        }
        self.env.pop("DATABASE_URL", None)
        self.env.pop("REDIS_URL", None)
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, env=self.env, check=True
        )
        self.cluster = self._cluster()
        self.driver = subprocess.Popen(
            [sys.executable, "-m", "tests.probe.driver"],
            cwd=ROOT, env=self.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def _cluster(self) -> subprocess.Popen:
        return subprocess.Popen(
            [sys.executable, "manage.py", "qcluster"],
            cwd=ROOT, env=self.env, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def ask(self, name, *args, **kwargs):
        self.driver.stdin.write(json.dumps([name, args, kwargs]) + "\n")
        self.driver.stdin.flush()
        return json.loads(self.driver.stdout.readline())

    def wait_for(self, job_id, condition, within_s=40.0, *, reap=False):
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            if reap:
                self.ask("reap")
            row = self.ask("look", job_id)
            if condition(row):
                return row
            time.sleep(0.05)
        raise AssertionError(f"job {job_id} is still {self.ask('look', job_id)}")

    def wait_status(self, job_id, *statuses, **options):
        return self.wait_for(job_id, lambda row: row["status"] in statuses, **options)

    def close(self) -> None:
        self.driver.kill()
        self.driver.wait()
        family = psutil.Process(self.cluster.pid).children(recursive=True)
        os.killpg(self.cluster.pid, signal.SIGKILL)
        self.cluster.wait()
        psutil.wait_procs(family, timeout=5)


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    installation = Installation(tmp_path_factory.mktemp("live"))
    yield installation
    installation.close()


def test_a_job_runs_in_a_child_reports_and_completes(live):
    job = live.ask("start", "probe.count", {"to": 4})
    row = live.wait_status(job, "completed")
    assert row["result"]["done"] == 4
    assert row["progress_percent"] == 100.0
    assert row["result"]["pid"] != live.cluster.pid


def test_pause_frees_the_child_and_resume_goes_on_from_the_checkpoint(live):
    job = live.ask("start", "probe.count", {"to": 60})
    row = live.wait_for(job, lambda row: row["progress_percent"] > 5 and row["child_pid"])
    child = row["child_pid"]
    assert live.ask("act", job, "pause") == "pausing"
    live.wait_status(job, "paused")
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == "zombie"
    done_before = live.ask("look", job)["progress_percent"]
    assert live.ask("act", job, "resume") == "queued"
    live.wait_for(job, lambda row: row["progress_percent"] > done_before)
    assert live.wait_status(job, "completed")["result"]["done"] == 60


def test_stop_keeps_what_the_task_hands_over(live):
    job = live.ask("start", "probe.count", {"to": 500})
    live.wait_for(job, lambda row: row["progress_percent"] > 0)
    live.ask("act", job, "stop")
    assert live.wait_status(job, "stopped")["result"]["done"] > 0


@pytest.mark.parametrize(("action", "expected"), [("stop", "stopped"), ("pause", "paused")])
def test_a_child_deaf_in_c_code_is_ended_all_the_same(live, action, expected):
    job = live.ask("start", "probe.spin", {"for_s": 60})
    child = live.wait_for(job, lambda row: row["child_pid"])["child_pid"]
    live.ask("act", job, action)
    live.wait_status(job, expected)
    assert not psutil.pid_exists(child)


def test_a_killed_child_is_tried_again_and_goes_on(live):
    job = live.ask("start", "probe.count", {"to": 60})
    row = live.wait_for(job, lambda row: row["progress_percent"] > 5 and row["child_pid"])
    os.kill(row["child_pid"], signal.SIGKILL)
    again = live.wait_status(job, "completed")
    assert (again["attempts"], again["result"]["done"]) == (2, 60)


def test_a_job_that_always_dies_fails_after_three_attempts(live):
    job = live.ask("start", "probe.crash", {})
    row = live.wait_status(job, "failed")
    assert row["attempts"] == 3
    assert row["error_code"] == "worker_crashed"
    assert "SIGKILL" in row["error_message"]


def test_a_killed_worker_loses_the_job_to_another_one(live):
    job = live.ask("start", "probe.count", {"to": 120})
    row = live.wait_for(job, lambda row: row["progress_percent"] > 2 and row["child_pid"])
    child = row["child_pid"]
    worker = int(row["worker"].rpartition(":")[2])
    os.kill(worker, signal.SIGKILL)
    after = live.wait_for(job, lambda row: row["attempts"] == 2, reap=True)
    assert after["fence"] > row["fence"]
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == "zombie"
    assert live.wait_status(job, "completed", reap=True)["result"]["done"] == 120


def test_a_users_mistake_fails_with_its_code_and_a_bug_without_its_secrets(live):
    mistake = live.ask("start", "probe.fail", {"how": "mistake"})
    row = live.wait_status(mistake, "failed")
    assert (row["error_code"], row["error_message"]) == (
        "column_missing",
        "The column 'x' is missing.",
    )
    assert row["traceback"] == ""
    bug = live.ask("start", "probe.fail", {"how": "bug"})
    row = live.wait_status(bug, "failed")
    assert row["error_code"] == "internal_error"
    assert "RuntimeError" in row["traceback"]
    assert "hunter2" not in row["traceback"] + row["error_message"]


def test_a_job_over_its_memory_limit_fails_with_that_reason(live):
    job = live.ask("start", "probe.hog", {"bytes": 2 * 10**9}, memory_limit_bytes=200 * 2**20)
    assert live.wait_status(job, "failed")["error_code"] == "out_of_memory"


def test_a_job_over_its_time_limit_fails_with_that_reason(live):
    job = live.ask("start", "probe.spin", {"for_s": 60}, time_limit_s=1)
    assert live.wait_status(job, "failed")["error_code"] == "time_limit"


def test_a_paused_holder_that_wakes_up_late_changes_nothing(live):
    job = live.ask("start", "probe.count", {"to": 100})
    row = live.wait_for(job, lambda row: row["progress_percent"] > 2 and row["child_pid"])
    worker = int(row["worker"].rpartition(":")[2])
    for pid in (worker, row["child_pid"]):
        os.kill(pid, signal.SIGSTOP)
    try:
        live.wait_for(job, lambda seen: seen["attempts"] == 2, reap=True)
    finally:
        for pid in (worker, row["child_pid"]):
            os.kill(pid, signal.SIGCONT)
    end = live.wait_status(job, "completed", reap=True)
    assert end["result"]["done"] == 100
    assert end["result"]["pid"] != row["child_pid"]


def test_asking_twice_whether_a_child_is_warm_does_not_wait_for_a_second_word(own_store):
    child = ChildProcess()
    try:
        child.wait_until_warm()
        asked_again = threading.Thread(target=child.wait_until_warm, daemon=True)
        asked_again.start()
        asked_again.join(timeout=20)
        assert not asked_again.is_alive()
    finally:
        child.kill()
