"""Wrong passwords count once for every door, by account and by address."""

import sys
from datetime import timedelta
from typing import ClassVar

import pytest
import time_machine
from axes.models import AccessAttempt
from django.conf import settings
from django.contrib.auth.hashers import MD5PasswordHasher, get_hashers
from django.test import Client
from django.utils import timezone

from tests.people import PASSWORD

LIMIT = settings.AXES_FAILURE_LIMIT
JSON = "application/json"
PAGE, ADMIN, API = "/sign-in/", "/admin/login/", "/api/v1/auth/token/"


def attempt(path, username, password, *, address="192.0.2.1", **headers):
    client = Client(REMOTE_ADDR=address, headers=headers)
    body = {"username": username, "password": password}
    if path == API:
        return client.post(path, body, JSON)
    return client.post(path, body)


def fail(times, username="alice", door=PAGE, **where):
    return [attempt(door, username, "wrong", **where).status_code for _ in range(times)]


@pytest.mark.parametrize("door", [PAGE, ADMIN, API])
def test_each_door_locks_after_the_limit_even_for_the_right_password(people, door):
    codes = fail(LIMIT, "root", door)
    assert 429 not in codes
    locked = attempt(door, "root", PASSWORD)
    assert locked.status_code == 429
    assert int(locked.headers["Retry-After"]) > 0


def test_the_doors_share_one_counter(people):
    doors = [PAGE, ADMIN, API]
    for number in range(LIMIT):
        assert attempt(doors[number % 3], "root", "wrong").status_code != 429
    assert [attempt(door, "root", PASSWORD).status_code for door in doors] == [429] * 3


def test_the_old_password_is_a_door_too(people, as_user):
    client = as_user(people.alice)
    body = {"old_password": "no", "new_password1": "x", "new_password2": "x"}
    for _ in range(LIMIT):
        assert client.post("/account/password/", body).status_code == 200
    assert client.post("/account/password/", body).status_code == 429
    assert attempt(API, "alice", PASSWORD, address="192.0.2.77").status_code == 429


def test_an_account_is_locked_for_all_addresses(people):
    for number in range(LIMIT):
        assert attempt(API, "alice", "wrong", address=f"198.51.100.{number}").status_code == 401
    assert attempt(API, "alice", PASSWORD, address="203.0.113.9").status_code == 429
    assert attempt(API, "bob", PASSWORD, address="203.0.113.9").status_code == 200


def test_an_address_is_locked_for_all_accounts(people):
    for number in range(LIMIT):
        assert attempt(API, f"guess{number}", "wrong").status_code == 401
    assert attempt(API, "alice", PASSWORD).status_code == 429
    assert attempt(API, "alice", PASSWORD, address="203.0.113.9").status_code == 200


def test_unknown_accounts_are_locked_like_known_ones(people):
    fail(LIMIT, "nobody", API, address="192.0.2.2")
    fail(LIMIT, "alice", API, address="192.0.2.3")
    unknown = attempt(API, "nobody", "x", address="192.0.2.4")
    known = attempt(API, "alice", "x", address="192.0.2.4")
    assert unknown.status_code == known.status_code == 429
    assert unknown.json()["message"] == known.json()["message"]


def test_the_api_answers_in_its_own_shape(people):
    fail(LIMIT, "alice", API)
    body = attempt(API, "alice", PASSWORD).json()
    assert set(body) == {"error_code", "message", "details", "request_id"}
    assert body["error_code"] == "too_many"
    assert body["request_id"]


def test_the_page_says_when_to_try_again(people):
    fail(LIMIT)
    assert "15 minutes" in attempt(PAGE, "alice", PASSWORD).content.decode()


def test_forwarded_headers_from_a_client_change_nothing(people):
    for number in range(LIMIT):
        spoofed = {"X-Forwarded-For": f"10.0.0.{number}", "X-Real-Ip": f"10.0.1.{number}"}
        attempt(API, f"guess{number}", "wrong", **spoofed)
    again = attempt(API, "alice", PASSWORD, **{"X-Forwarded-For": "10.9.9.9"})
    assert again.status_code == 429
    assert set(AccessAttempt.objects.values_list("ip_address", flat=True)) == {"192.0.2.1"}


def test_behind_a_proxy_only_its_own_entry_counts(people, settings):
    settings.TRUSTED_PROXY_COUNT = 1
    for number in range(LIMIT):
        chain = {"X-Forwarded-For": f"10.0.0.{number}, 203.0.113.5"}
        attempt(API, f"guess{number}", "wrong", **chain)
    assert set(AccessAttempt.objects.values_list("ip_address", flat=True)) == {"203.0.113.5"}
    nonsense = {"X-Forwarded-For": "<script>"}
    assert attempt(API, "alice", "wrong", **nonsense).status_code == 401


def test_success_forgives_oneself_but_not_the_guesses_at_others(people):
    for _ in range(3):
        fail(3, "alice", API)
        attempt(API, "charlie", PASSWORD)
    assert attempt(API, "alice", "wrong").status_code == 401
    assert attempt(API, "alice", PASSWORD).status_code == 429


def test_success_forgives_ones_own_typing_errors(people):
    for _ in range(4):
        fail(LIMIT - 2, "alice", API)
        assert attempt(API, "alice", PASSWORD).status_code == 200
    for _ in range(4):
        fail(LIMIT - 2, "alice", PAGE)
        assert attempt(PAGE, "alice", PASSWORD).status_code == 302


def test_the_lock_ends_and_trying_meanwhile_does_not_prolong_it(people):
    start = timezone.now()
    with time_machine.travel(start, tick=False):
        fail(LIMIT, "alice", API)
    with time_machine.travel(start + timedelta(minutes=14), tick=False):
        assert attempt(API, "alice", PASSWORD).status_code == 429
    with time_machine.travel(start + timedelta(minutes=15, seconds=1), tick=False):
        assert attempt(API, "alice", PASSWORD).status_code == 200


def test_the_log_of_attempts_holds_no_password(people):
    attempt(PAGE, "alice", "hunter2hunter2")
    attempt(API, "alice", "hunter2hunter2")
    rows = str(list(AccessAttempt.objects.values()))
    assert "alice" in rows
    assert "hunter2" not in rows


class SlowHasher(MD5PasswordHasher):
    """While it looks at one password, the next attempt arrives: all of them are in flight."""

    algorithm = "slow"
    codes: ClassVar[list[int]] = []
    checked = 0
    in_flight = 0

    def verify(self, password, encoded):
        SlowHasher.checked += 1
        more_guesses()
        return False


def more_guesses():
    if SlowHasher.in_flight < 3 * LIMIT:
        SlowHasher.in_flight += 1
        SlowHasher.codes.append(attempt(API, "alice", "wrong").status_code)


def test_of_many_guesses_at_once_no_more_than_the_limit_are_checked(people, settings):
    settings.PASSWORD_HASHERS = [f"{__name__}.SlowHasher"]
    get_hashers.cache_clear()
    sys.modules.setdefault(__name__, sys.modules[SlowHasher.__module__])
    people.alice.set_password(PASSWORD)
    people.alice.save()
    more_guesses()
    more_guesses()
    assert SlowHasher.checked == LIMIT
    assert SlowHasher.codes.count(401) <= LIMIT
    assert set(SlowHasher.codes) <= {401, 429}
    assert SlowHasher.codes.count(429) >= 1
