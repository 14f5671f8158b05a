"""Settings of `tests.live_app`: the product's own, with the event log's routes alone."""

from platform_site.settings import *  # noqa: F403

ROOT_URLCONF = "tests.live_urls"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
