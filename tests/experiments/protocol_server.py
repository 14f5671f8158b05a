"""The product's ASGI application under uvicorn in a thread, and requests as bytes."""

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import uvicorn


@dataclass
class RawAnswer:
    """What came back on the line."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@contextlib.contextmanager
def serving(application) -> Iterator[int]:
    """Serve the application; yield the port."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        config = uvicorn.Config(
            application, log_config=None, access_log=False, lifespan="off", http="httptools"
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()


class Line:
    """One kept-alive connection to the server."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.file = self.socket.makefile("rb")

    def close(self) -> None:
        self.file.close()
        self.socket.close()

    def send(self, data: bytes, *, is_head: bool = False) -> RawAnswer:
        """Send bytes as they are and read one answer."""
        self.socket.sendall(data)
        return self.read(is_head=is_head)

    def read(self, *, is_head: bool = False) -> RawAnswer:
        status = int(self.file.readline().split()[1])
        headers = {}
        while (line := self.file.readline().strip()) != b"":
            name, _, value = line.decode("latin-1").partition(": ")
            headers[name.lower()] = value
        length = 0 if is_head else int(headers.get("content-length", 0))
        return RawAnswer(status, headers, self.file.read(length))

    def request(self, method: str, target: str, body: bytes = b"", **headers: str) -> RawAnswer:
        """Send a request with these headers (underscores are dashes)."""
        lines = {"Host": f"127.0.0.1:{self.port}", "Content-Type": "application/json"}
        if body or method in ("POST", "PUT", "PATCH"):
            lines["Content-Length"] = str(len(body))
        lines |= {name.replace("_", "-"): value for name, value in headers.items()}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value)
        data = f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + body
        return self.send(data, is_head=method == "HEAD")
