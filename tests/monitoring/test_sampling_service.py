"""Samples of this machine: what they hold, how long they are kept, what happens without sensors."""

import math
import os
from datetime import timedelta

import pytest
from django.db import DatabaseError

from monitoring import hardware, periodic, sampling
from monitoring.models import HostSample
from platform_site.core.clock import now


@pytest.fixture
def own():
    return hardware.OwnProcesses(os.getpid())


def test_a_sample_holds_plausible_figures_of_this_machine(db, own):
    sample = sampling.take_sample(own)
    assert 0 < sample.memory_used_bytes < sample.memory_total_bytes
    assert 0 < sample.disk_used_bytes <= sample.disk_total_bytes
    assert sample.own_processes >= 1
    assert sample.own_rss_bytes > 10 * 2**20
    assert HostSample.objects.get() == sample


def test_figures_of_a_family_that_is_gone_are_unknown_not_zero(db):
    reading = hardware.OwnProcesses(2**22 - 1).read()
    assert reading == {"own_processes": None, "own_rss_bytes": None, "own_cpu_percent": None}


def test_a_sensor_that_says_nan_knows_nothing():
    assert hardware.clean(math.nan) is None
    assert hardware.clean(math.inf) is None
    assert hardware.clean(0.0) == 0.0


def test_a_disk_that_cannot_be_asked_is_unknown(tmp_path):
    reading = hardware.read_host(tmp_path / "missing")
    assert reading["disk_total_bytes"] is None
    assert reading["memory_total_bytes"] > 0


def test_old_samples_are_cleared_a_slice_at_a_time_and_fresh_ones_stay(db, monkeypatch):
    monkeypatch.setattr(sampling, "SLICE_ROWS", 2)
    ages_h = [0, 23, 25, 26, 27]
    for age_h in ages_h:
        HostSample.objects.create(host="here", at=now() - timedelta(hours=age_h))
    assert [sampling.clear_old_samples() for _ in range(3)] == [2, 1, 0]
    assert HostSample.objects.count() == 2


def test_a_database_that_is_away_does_not_end_the_sampler(db, caplog):
    def broken():
        raise DatabaseError("server closed the connection")

    sampling.do(periodic.Chore("sample", 1.0, broken))
    assert "the database did not answer" in caplog.text


def test_a_bug_in_a_chore_is_not_hidden(db):
    def broken():
        raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        sampling.do(periodic.Chore("chore", 1.0, broken))


def test_chores_come_due_each_in_its_own_rhythm():
    often = periodic.Chore("often", 2.0, list)
    seldom = periodic.Chore("seldom", 5.0, list)
    chores = [often, seldom]
    seen = [
        (moment, chore.name)
        for moment in (0.0, 1.0, 2.0, 4.0, 5.0)
        for chore in periodic.due(chores, moment)
    ]
    assert seen == [
        (0.0, "often"), (0.0, "seldom"), (2.0, "often"), (4.0, "often"), (5.0, "seldom"),
    ]  # fmt: skip
    assert periodic.wait_s(chores, 5.5) == 0.5


def test_every_registered_chore_can_be_called(db):
    names = {chore.name for chore in periodic.registered()}
    assert "reap jobs" in names
    for chore in periodic.registered():
        assert callable(chore.function())
