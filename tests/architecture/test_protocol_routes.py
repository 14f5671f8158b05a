"""Every route of the tracking protocol: closed to strangers, and declared as what it does."""

import re
from collections.abc import Iterator

from django.test import Client

from experiments.mlflow_api.kit.routes import PREFIXES, Route, full_paths
from platform_site.protocol import TABLE
from tests.experiments.protocol_help import ProtocolClient

# What answers people who have not signed in. Growing it is a decision.
PUBLIC = {
    "/version",
    "3.0/mlflow/server-info",
    # Clients send parts without a credential; the address holds the upload's secret.
    "2.0/mlflow-artifacts/mpu/part/{upload_id}/{number}",
}
# POSTs that change nothing, so that tokens which may only read are enough.
READING_POSTS = {
    "2.0/mlflow/experiments/search",
    "2.0/mlflow/experiments/search-datasets",
    "2.0/mlflow/logged-models/search",
    "2.0/mlflow/registered-models/get-latest-versions",
    "2.0/mlflow/runs/search",
    "3.0/mlflow/traces/batchGetInfos",
    "3.0/mlflow/traces/search",
}
PREVIEW = ("/api/2.0/preview/", "/ajax-api/2.0/preview/", "/2.0/", "/3.0/", "/preview/")


def concrete(path: str) -> str:
    return re.sub(r"\{\w+(:rest)?\}", "x", path)


def each_address() -> Iterator[tuple[Route, str]]:
    for route in TABLE.routes:
        for path in full_paths(route.path):
            yield route, concrete(path)


def test_the_public_routes_are_the_pinned_ones():
    assert {route.path for route in TABLE.routes if route.public} == PUBLIC


def test_the_reading_posts_are_the_pinned_ones():
    found = {route.path for route in TABLE.routes if route.reads and route.method == "POST"}
    assert found <= READING_POSTS, f"newly readable: {sorted(found - READING_POSTS)}"
    others = [
        route for route in TABLE.routes if route.reads and route.method not in ("POST", "GET")
    ]
    assert others == []


def test_strangers_get_nothing(db):
    client = Client(raise_request_exception=False)
    for route, address in each_address():
        for suffix in ("", "/") if address.startswith(PREFIXES) else ("",):
            answer = client.generic(
                route.method, address + suffix, b"{}", content_type="application/json"
            )
            expected = {200, 404} if route.public else {401}
            assert answer.status_code in expected, (route.method, address, answer.content)


def test_tokens_that_may_only_read_change_nothing(people):
    client = ProtocolClient(people.alice, scope="read")
    for route in TABLE.routes:
        if not route.changes or route.public:
            continue
        for path in full_paths(route.path):
            answer = client.call(route.method, concrete(path), b"{}")
            assert answer.status_code == 403, (route, answer.content)


def test_old_prefixes_are_not_served(people):
    client = ProtocolClient(people.alice)
    for prefix in PREVIEW:
        for path in ("mlflow/experiments/list", "mlflow/experiments/search", "mlflow/runs/search"):
            assert client.get(prefix + path).status_code == 404
            assert client.post(prefix + path).status_code == 404
