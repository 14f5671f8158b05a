"""What `up` refuses before anything starts, and how patient it is with a child that dies."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from django.db.migrations.recorder import MigrationRecorder

from platform_site.supervisor.migrations import unapplied_migrations
from platform_site.supervisor.processes import Child, Role, describe_status
from platform_site.supervisor.start import (
    CannotStart,
    is_locked,
    listen,
    refuse_unsafe_address,
    take_lock,
)
from platform_site.supervisor.state import RunningState, read_state, write_state

ROOT = Path(__file__).resolve().parents[2]
LOCAL_NAMES = ["localhost", "127.0.0.1", "[::1]"]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "assay.example.org"])
def test_an_address_others_can_reach_needs_named_hosts(host):
    with pytest.raises(CannotStart, match="ALLOWED_HOSTS"):
        refuse_unsafe_address(host, LOCAL_NAMES)
    refuse_unsafe_address(host, [*LOCAL_NAMES, "assay.example.org"])


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.0.0.2"])
def test_loopback_needs_nothing(host):
    refuse_unsafe_address(host, LOCAL_NAMES)


def test_a_taken_port_is_named_and_another_one_proposed():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(CannotStart, match=rf"127\.0\.0\.1:{port}.*PORT={port + 1}"):
            listen("127.0.0.1", port)


def test_a_free_port_is_listened_on_and_survives_no_exec():
    with listen("127.0.0.1", 0) as listener:
        assert not listener.get_inheritable()
        with socket.create_connection(listener.getsockname(), timeout=2):
            pass


def test_the_data_directory_belongs_to_one_supervisor_and_a_dead_ones_lock_counts_for_nothing(
    tmp_path,
):
    assert not is_locked(tmp_path)
    (tmp_path / "up.lock").write_text("4242")  # left behind by a supervisor that was killed
    assert not is_locked(tmp_path)
    with take_lock(tmp_path):
        assert is_locked(tmp_path)
        with pytest.raises(CannotStart, match=f"process {os.getpid()}"):
            take_lock(tmp_path)
    assert not is_locked(tmp_path)


def test_state_is_read_back_and_absent_before_the_first_start(tmp_path):
    assert read_state(tmp_path) is None
    state = RunningState(pid=7, url="http://127.0.0.1:8000", children={"web": 8})
    write_state(tmp_path, state)
    assert read_state(tmp_path) == state


def test_a_child_that_keeps_dying_is_tried_ever_more_slowly():
    child = Child(Role("web", lambda: None))
    delays = [child.note_death(signal.SIGKILL, lived_s=1.0) for _ in range(9)]
    assert delays == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]


def test_a_child_that_lived_long_starts_again_at_once():
    child = Child(Role("web", lambda: None))
    for _ in range(5):
        child.note_death(signal.SIGKILL, lived_s=1.0)
    assert child.note_death(signal.SIGKILL, lived_s=31.0) == 0.5


def test_the_end_of_a_process_is_told_in_words():
    assert describe_status(signal.SIGKILL) == "was killed by SIGKILL"
    assert describe_status(3 << 8) == "ended with exit code 3"


def test_the_quick_look_at_migrations_agrees_with_django(db):
    assert unapplied_migrations() == []
    MigrationRecorder.Migration.objects.filter(app="jobs", name="0001_initial").delete()
    assert unapplied_migrations() == [("jobs", "0001_initial")]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("PORT", "abc", "PORT='abc': not a whole number"),
        ("WORKERS", "0", "WORKERS=0: must be between 1 and 64"),
        ("ASGI_SERVER", "apache", "choose from daphne, uvicorn"),
        ("DATABASE_URL", "mysql://db/x", "only postgresql"),
        ("DATABASE_URL", "postgresql://postgres@127.0.0.1:1/x", "The database does not answer"),
        ("SECRET_KEY_FILE", "/nowhere/key", "SECRET_KEY_FILE='/nowhere/key'"),
    ],
)
def test_nonsense_in_the_environment_is_named_without_a_traceback(tmp_path, name, value, words):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    done = subprocess.run(
        [sys.executable, "manage.py", "up"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "DATA_DIR": str(tmp_path / "data"), "PORT": port, name: value},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert words in done.stderr
    assert "Traceback" not in done.stderr
