"""Settings of the tests: the product's own, in a throw-away data directory, with a fast hasher."""

import os
import tempfile

if "ASSAY_TEST_KEEP_DATA_DIR" not in os.environ:
    os.environ["DATA_DIR"] = tempfile.mkdtemp(prefix="assay-tests-")

from platform_site.settings import *  # noqa: E402, F403
from platform_site.settings import (  # noqa: E402
    CACHES,
    DATA_DIR,
    DATABASES,
    INSTALLED_APPS,
    Q_CLUSTER,
)

INSTALLED_APPS = [*INSTALLED_APPS, "tests.probe"]

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # A file, as in the product: threads that share SQLite's memory get "table is locked" at once.
    DATABASES["default"]["TEST"] = {"NAME": str(DATA_DIR / "tests.sqlite3")}
    if "ASSAY_TEST_KEEP_DATA_DIR" not in os.environ:
        # What tests write need not survive a power cut; live installations keep the product's FULL.
        DATABASES["default"]["OPTIONS"]["init_command"] += "PRAGMA synchronous=OFF;"
else:
    # Emptying all tables takes seconds on a slow disk; requests are limited to 15 s.
    DATABASES["default"]["OPTIONS"]["options"] = (
        "-c statement_timeout=120000 -c synchronous_commit=off"
    )
Q_CLUSTER = {**Q_CLUSTER, "sync": False}
# Test processes side by side share a Redis, but must not share its keys.
CACHES["default"]["KEY_PREFIX"] = os.environ.get("PYTEST_XDIST_WORKER", "alone")
