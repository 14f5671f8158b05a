"""Two gigabytes through the running product: flat memory, whole files, nothing left of cut ones."""

import hashlib
import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from benchmarks.tracking.servers import new_token
from tests.probe.product import ROOT, Product

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
MIB = 1024 * 1024
FILE_MIB = 2048
GROWTH_MIB = 50
BLOCK = bytes(MIB)
FOLDER = "/api/2.0/mlflow-artifacts/artifacts/large"


@pytest.fixture(scope="module")
def product(tmp_path_factory):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data_dir = tmp_path_factory.mktemp("large") / "data"
    settings = {"DJANGO_SETTINGS_MODULE": "platform_site.settings", "WORKERS": "1"}
    product = Product(data_dir, port, **settings)
    try:
        product.wait_ready(within_s=180)
        product.token = new_token(product)
        yield product
    finally:
        product.close()
        shutil.rmtree(data_dir)


def ask(product, method, path, body=None, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", product.port, timeout=300)
    connection.request(method, path, body, {"Authorization": f"Bearer {product.token}", **headers})
    return connection.getresponse()


def zeros(n_mib):
    return (BLOCK for _ in range(n_mib))


def digest_of_zeros(n_mib):
    digest = hashlib.sha256()
    for block in zeros(n_mib):
        digest.update(block)
    return digest.hexdigest()


def peak_mib(product) -> float:
    status = Path(f"/proc/{product.children()['web']}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024


def eventually(condition, within_s=30.0):
    deadline = time.perf_counter() + within_s
    while not condition():
        assert time.perf_counter() < deadline, "it never came true"
        time.sleep(0.05)


@pytest.mark.parametrize("length", [{"Content-Length": str(FILE_MIB * MIB)}, {}])
def test_two_gigabytes_go_in_and_come_out_with_flat_memory(product, length):
    assert ask(product, "PUT", f"{FOLDER}/warm", b"x").status == 200
    before = peak_mib(product)
    sent = ask(product, "PUT", f"{FOLDER}/zeros.bin", zeros(FILE_MIB), **length)
    assert (sent.status, sent.read()) == (200, b"")
    answer = ask(product, "GET", f"{FOLDER}/zeros.bin")
    assert answer.headers["ETag"] == f'"{digest_of_zeros(FILE_MIB)}"'
    n_bytes = 0
    while piece := answer.read(MIB):
        n_bytes += len(piece)
    assert n_bytes == FILE_MIB * MIB
    assert peak_mib(product) - before < GROWTH_MIB
    assert ask(product, "DELETE", f"{FOLDER}/zeros.bin").status == 200


def test_a_gigabyte_in_parts_is_put_together_with_flat_memory(product):
    n_parts, part_mib = 16, 64
    before = peak_mib(product)
    kind = {"Content-Type": "application/json"}
    mpu = "/api/2.0/mlflow-artifacts/mpu"
    wanted = json.dumps({"path": "parts.bin", "num_parts": n_parts}).encode()
    created = json.loads(ask(product, "POST", f"{mpu}/create/large", wanted, **kind).read())
    parts = []
    for one in created["credentials"]:
        connection = http.client.HTTPConnection("127.0.0.1", product.port, timeout=300)
        headers = {**one["headers"], "Content-Length": str(part_mib * MIB)}
        connection.request("PUT", urlsplit(one["url"]).path, zeros(part_mib), headers)
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        parts.append({"part_number": one["part_number"], "etag": answer.headers["ETag"]})
    request = {"path": "parts.bin", "upload_id": created["upload_id"], "parts": parts}
    done = ask(product, "POST", f"{mpu}/complete/large", json.dumps(request).encode(), **kind)
    assert done.status == 200, done.read()
    answer = ask(product, "HEAD", f"{FOLDER}/parts.bin")
    assert answer.headers["Content-Length"] == str(n_parts * part_mib * MIB)
    assert answer.headers["ETag"] == f'"{digest_of_zeros(n_parts * part_mib)}"'
    assert peak_mib(product) - before < GROWTH_MIB


def test_a_connection_that_breaks_in_the_middle_leaves_nothing(product):
    incoming = product.data_dir / "incoming"
    with socket.create_connection(("127.0.0.1", product.port)) as raw:
        head = (
            f"PUT {FOLDER}/cut.bin HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"Authorization: Bearer {product.token}\r\nContent-Length: {100 * MIB}\r\n\r\n"
        )
        raw.sendall(head.encode() + BLOCK * 20)
        eventually(lambda: list(incoming.glob("blob-*")))
    eventually(lambda: not list(incoming.glob("blob-*")))
    assert ask(product, "GET", f"{FOLDER}/cut.bin").status == 404


def test_a_full_disk_is_said_and_leaves_nothing(tmp_path):
    """The kernel refuses the write itself, as it does on a full disk."""
    script = (
        "import resource, sys, django; django.setup()\n"
        "from assets.storage import temp_dir, write_blob\n"
        "from platform_site.core.errors import StorageFull\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, 3_000_000))\n"
        "try:\n    write_blob(bytes(1_000_000) for _ in range(10))\n"
        "except StorageFull as error:\n    print(error.message, list(temp_dir().iterdir()))\n"
    )
    env = {
        **os.environ, "DATA_DIR": str(tmp_path), "PYTHONPATH": str(ROOT),
        "DJANGO_SETTINGS_MODULE": "platform_site.settings",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "The disk is full; nothing was stored. []"
