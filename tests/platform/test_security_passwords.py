"""How passwords are stored."""

from django.contrib.auth.hashers import Argon2PasswordHasher, get_hasher

from platform_site.accounts.hashers import SmallArgon2
from platform_site.settings import base


def test_new_passwords_use_argon2id_with_a_bounded_amount_of_memory():
    assert base.PASSWORD_HASHERS[0] == "platform_site.accounts.hashers.SmallArgon2"
    encoded = SmallArgon2().encode("correct horse battery", "somesaltsomesalt")
    assert encoded.startswith("argon2$argon2id$v=19$m=19456,t=2,p=1$")


def test_older_hashes_still_work_and_are_renewed_at_sign_in():
    old = Argon2PasswordHasher()
    old.memory_cost = 1024
    encoded = old.encode("correct horse battery", "somesaltsomesalt")
    assert SmallArgon2().verify("correct horse battery", encoded)
    assert SmallArgon2().must_update(encoded)


def test_tests_use_a_fast_hasher():
    assert get_hasher().algorithm == "md5"
