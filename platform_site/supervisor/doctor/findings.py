"""What `doctor` says about one point of an installation."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["ok", "warning", "failed", "skipped"]


@dataclass(frozen=True)
class Finding:
    """One point: what was looked at, the verdict, what was seen, and what to do about it."""

    name: str
    verdict: Verdict
    seen: str
    advice: str = ""


Check = Callable[[], Iterable[Finding]]


def ok(name: str, seen: str) -> Finding:
    """Return a good finding."""
    return Finding(name, "ok", seen)


def warning(name: str, seen: str, advice: str) -> Finding:
    """Return a finding to look into; the installation works."""
    return Finding(name, "warning", seen, advice)


def failed(name: str, seen: str, advice: str) -> Finding:
    """Return a finding that must be mended."""
    return Finding(name, "failed", seen, advice)


def skipped(name: str, why: str) -> Finding:
    """Return a point that does not apply here."""
    return Finding(name, "skipped", why)


def gib(n_bytes: int) -> str:
    """Return a size for people."""
    return f"{n_bytes / 1024**3:.1f} GiB"
