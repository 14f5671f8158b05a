"""Identifiers that we hand out."""

import re
import secrets
import uuid

RUN_ID = re.compile(r"^[0-9a-f]{32}$")


def new_run_id() -> str:
    """Return a random run id: 32 hexadecimal digits, as MLflow clients expect."""
    return uuid.uuid4().hex


def new_request_id() -> str:
    """Return a short random id that ties an answer to its log lines."""
    return secrets.token_hex(8)
