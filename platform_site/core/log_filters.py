"""Log filters: secrets never reach a log; each line names its request."""

import logging
import re
from contextvars import ContextVar

request_id: ContextVar[str] = ContextVar("request_id", default="-")
SECRETS = re.compile(
    r"(assay_[A-Za-z0-9]{8})[A-Za-z0-9]+"
    r"|((?:password|token|secret|authorization|api[_-]?key)[\"']?\s*[=:]\s*)[^\s,;&]+",
    re.IGNORECASE,
)


def redact(text: str) -> str:
    """Return the text with tokens and passwords replaced."""
    return SECRETS.sub(lambda match: (match.group(1) or match.group(2)) + "[removed]", text)


class RedactSecrets(logging.Filter):
    """Replace tokens and passwords in the finished message."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record in place; never drop it."""
        message = record.getMessage()
        clean = redact(message)
        if clean != message:
            record.msg, record.args = clean, ()
        return True


class AddRequestId(logging.Filter):
    """Attach the id of the request being answered."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record in place; never drop it."""
        record.request_id = request_id.get()
        return True
