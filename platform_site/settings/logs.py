"""Logging: one line a record on standard error, with the request id, secrets removed."""

from typing import Any


def logging_settings(*, debug: bool) -> dict[str, Any]:
    """Return Django's LOGGING dictionary."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {
            "redact": {"()": "platform_site.core.log_filters.RedactSecrets"},
            "request_id": {"()": "platform_site.core.log_filters.AddRequestId"},
        },
        "formatters": {
            "line": {
                "format": "{asctime} {levelname} {name} [{request_id}] {message}",
                "style": "{",
            }
        },
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "formatter": "line",
                "filters": ["redact", "request_id"],
            }
        },
        "root": {"handlers": ["stderr"], "level": "INFO" if debug else "WARNING"},
        "loggers": {
            "assay": {"level": "DEBUG" if debug else "INFO"},
            "django.request": {"level": "ERROR"},
            "django-q": {"level": "WARNING"},
            "axes": {"level": "WARNING"},
        },
    }
