"""daphne as we run it: bodies reach the application whole, in pieces, whatever kind they are."""

import hashlib
import http.client
import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SERVE = """
import asyncio, hashlib, json, socket, sys
from platform_site.supervisor.daphne_server import FrugalServer

async def application(scope, receive, send):
    digest, sizes, more = hashlib.sha256(), [], True
    while more:
        message = await receive()
        digest.update(message["body"])
        sizes.append(len(message["body"]))
        more = message["more_body"]
    body = json.dumps({"sha256": digest.hexdigest(), "sizes": sizes, "scope": sorted(scope)}).encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})

listener = socket.socket(fileno=int(sys.argv[1]))
FrugalServer(application, endpoints=[f"fd:fileno={listener.fileno()}"]).run()
"""


@pytest.fixture(scope="module")
def port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)
        process = subprocess.Popen(
            [sys.executable, "-c", SERVE, str(listener.fileno())],
            cwd=ROOT, pass_fds=[listener.fileno()],
        )  # fmt: skip
        yield listener.getsockname()[1]
        process.kill()
        process.wait()


def post(port: int, body: bytes, content_type: str) -> dict:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("POST", "/", body=body, headers={"Content-Type": content_type})
    answer = json.loads(connection.getresponse().read())
    connection.close()
    return answer


FORM = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n%s\r\n--b--\r\n'
PIECE = 64 * 1024


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", "text/csv"),
        (b"1,2\n", "text/csv"),
        (b"x" * (3 * PIECE), "text/csv"),
        (b"x" * (3 * PIECE + 1), "application/octet-stream"),
        (FORM % (b"y" * 300_000), "multipart/form-data; boundary=b"),
        (b"a=1&b=2", "application/x-www-form-urlencoded"),
    ],
)
def test_a_body_reaches_the_application_whole_and_in_small_pieces(port, body, content_type):
    answer = post(port, body, content_type)
    assert answer["sha256"] == hashlib.sha256(body).hexdigest()
    assert max(answer["sizes"]) <= PIECE
    assert not [key for key in answer["scope"] if key.startswith("assay")]


def test_a_client_that_leaves_in_the_middle_of_its_body_does_no_harm(port):
    with socket.create_connection(("127.0.0.1", port)) as line:
        line.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nhalf")
    assert post(port, b"next", "text/csv")["sizes"] == [4]
