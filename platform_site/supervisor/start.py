"""What must be true before anything starts: a safe address, a free port, the only supervisor."""

import fcntl
import os
import socket
from pathlib import Path
from typing import TextIO

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1", "[::1]"})
LOCK_FILE_NAME = "up.lock"
BACKLOG = 2048


class CannotStart(Exception):
    """The supervisor refuses to start; the text says why and what to do."""


def refuse_unsafe_address(host: str, allowed_hosts: list[str]) -> None:
    """Refuse an address that others can reach while no host name of ours is declared.

    Raises:
        CannotStart: naming the variable to set.
    """
    if host in LOOPBACK_HOSTS or host.startswith("127."):
        return
    named = [name for name in allowed_hosts if name not in LOOPBACK_HOSTS]
    if not named:
        raise CannotStart(
            f"HOST={host} can be reached from other machines, but ALLOWED_HOSTS names none. "
            "Set ALLOWED_HOSTS to the names people will type, for example "
            "ALLOWED_HOSTS=assay.example.org, or leave HOST at 127.0.0.1."
        )


def take_lock(run_dir: Path) -> TextIO:
    """Return the held lock of a data directory; closing the file, or dying, releases it.

    Raises:
        CannotStart: when another supervisor holds it.
    """
    file = (run_dir / LOCK_FILE_NAME).open("a+", encoding="ascii")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        owner = file.read().strip() or "unknown"
        file.close()
        raise CannotStart(
            f"Assay already runs on the data directory {run_dir.parent} (process {owner}). "
            "Stop it first, or choose another directory with DATA_DIR."
        ) from None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


def is_locked(run_dir: Path) -> bool:
    """Whether a supervisor is alive on this data directory."""
    path = run_dir / LOCK_FILE_NAME
    if not path.exists():
        return False
    with path.open("a", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; held by the supervisor, so a restart refuses nobody.

    Raises:
        CannotStart: when the port is taken, or the address is not one of this machine's.
    """
    bare = host.strip("[]")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            bare, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise CannotStart(f"HOST={host}: {error.strerror}.") from error
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise CannotStart(
            f"Cannot listen on {host}:{port}: {error.strerror}. "
            f"Stop what uses it, or choose another port: PORT={port + 1} make run"
        ) from error
    listener.settimeout(0.0)
    return listener
