"""Points on disk: the data directory, its rooms, the key, free space."""

import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
from django.conf import settings

from platform_site.settings.installation import KEY_FILE_NAME, SUBDIRECTORIES
from platform_site.supervisor.doctor.findings import Finding, failed, gib, ok, skipped, warning

FREE_PERCENT_WANTED = 10.0
FREE_BYTES_NEEDED = 512 * 1024**2
NETWORK_FILE_SYSTEMS = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "fuse.sshfs", "9p"})


def directories() -> Iterator[Finding]:
    """Every room of the data directory can be written, by its owner alone."""
    data_dir: Path = settings.DATA_DIR
    for path in [data_dir, *(data_dir / name for name in SUBDIRECTORIES)]:
        yield _directory(path, "data directory" if path == data_dir else f"{path.name}/")


def _directory(path: Path, name: str) -> Finding:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        with tempfile.TemporaryFile(dir=path) as file:
            file.write(b"doctor")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return failed(name, f"{path}: {error.strerror}", f"make {path} writable for this user")
    if mode & 0o077:
        return failed(name, f"{path}: mode {mode:04o}", f"chmod 700 {path}")
    return ok(name, f"{path}: writable, mode {mode:04o}")


def key_file() -> Iterator[Finding]:
    """The installation's key can be read by its owner alone."""
    path: Path = settings.DATA_DIR / KEY_FILE_NAME
    if not path.exists():
        yield skipped("secret key", "comes from the environment")
        return
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        yield failed(
            "secret key",
            f"{path}: mode {mode:04o}",
            f"chmod 600 {path}, and replace the key if others could read it",
        )
    else:
        yield ok("secret key", f"{path}: mode {mode:04o}")


def free_space() -> Iterator[Finding]:
    """There is room for the next dataset."""
    usage = psutil.disk_usage(str(settings.DATA_DIR))
    free_percent = 100.0 * usage.free / usage.total
    seen = f"{gib(usage.free)} free of {gib(usage.total)} ({free_percent:.0f} %)"
    advice = "free some space, or move DATA_DIR to a larger disk"
    if usage.free < FREE_BYTES_NEEDED:
        yield failed("disk space", seen, advice)
    elif free_percent < FREE_PERCENT_WANTED:
        yield warning("disk space", seen, advice)
    else:
        yield ok("disk space", seen)


def file_system() -> Iterator[Finding]:
    """SQLite's write-ahead log needs a local disk."""
    if not str(settings.DATABASES["default"]["ENGINE"]).endswith("sqlite3"):
        yield skipped("local disk", "the database is not in the data directory")
        return
    kind = _file_system_of(settings.DATA_DIR)
    if kind in NETWORK_FILE_SYSTEMS:
        yield failed(
            "local disk", f"{settings.DATA_DIR} is on {kind}", "use a local disk for SQLite"
        )
    else:
        yield ok("local disk", kind or "unknown file system")


def _file_system_of(path: Path) -> str:
    mounts = [
        mount for mount in psutil.disk_partitions(all=True) if path.is_relative_to(mount.mountpoint)
    ]
    best = max(mounts, key=lambda mount: len(mount.mountpoint), default=None)
    return best.fstype if best else ""
