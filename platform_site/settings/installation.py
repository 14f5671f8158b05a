"""What an installation keeps on disk before Django starts: the data directory and its key."""

import os
import secrets
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

KEY_FILE_NAME = "secret_key"
SUBDIRECTORIES = ("blobs", "incoming", "jobs", "logs", "run", "static")
MIN_KEY_CHARS = 40


def ensure_data_dir(path: Path) -> Path:
    """Create the data directory and its rooms, readable by the owner alone; return its real path.

    From then on every file of this process is the owner's alone, the database included.

    Raises:
        ImproperlyConfigured: when it cannot be created or written.
    """
    os.umask(0o077)
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in SUBDIRECTORIES:
            (path / name).mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise ImproperlyConfigured(f"DATA_DIR {path}: {error.strerror}") from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise ImproperlyConfigured(f"DATA_DIR {path}: not writable")
    return path.resolve()


def ensure_secret_key(data_dir: Path) -> str:
    """Return the installation's random key, made on first use in a 0600 file.

    Raises:
        ImproperlyConfigured: when the file is too short to be a key of ours.
    """
    path = data_dir / KEY_FILE_NAME
    if not path.exists():
        draft = data_dir / f".{KEY_FILE_NAME}.{os.getpid()}"
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(48))
        try:
            os.link(draft, path)  # atomic: of two first starts one key wins
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    key = path.read_text(encoding="ascii").strip()
    if len(key) < MIN_KEY_CHARS:
        raise ImproperlyConfigured(f"{path}: not a key of this installation (too short)")
    return key
