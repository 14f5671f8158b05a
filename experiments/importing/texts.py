"""Values of a foreign source made ours: text that a database takes, whole numbers in 64 bits."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, Final, ParamSpec, TypeVar

from experiments.importing.records import LARGEST, Unreadable

P = ParamSpec("P")
T = TypeVar("T")
INT64_MAX: Final = 2**63 - 1
SHOWN: Final = 60


def shown(value: object) -> str:
    """Return a short form of a foreign value for a report."""
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}… ({len(text)} characters)"


def text_of(value: Any, *, at_most: int, what: str) -> str:
    """Return the value as text.

    Raises:
        Unreadable: when it is too long or holds what no database takes.
    """
    if value is None:
        return ""
    if isinstance(value, bytes):
        raise Unreadable(f"{what} is binary")
    text = value if isinstance(value, str) else str(value)
    if len(text) > at_most:
        raise Unreadable(f"{what} is longer than {at_most} characters: {shown(text)}")
    if "\x00" in text:
        raise Unreadable(f"{what} holds a zero byte: {shown(text)}")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Unreadable(f"{what} is no valid text: {shown(text)}") from None
    return text


def whole(value: Any, what: str) -> int:
    """Return the value as a whole number of 64 bits.

    Raises:
        Unreadable: when it is none.
    """
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        raise Unreadable(f"{what} is no whole number: {shown(value)}") from None
    if not -INT64_MAX - 1 <= number <= INT64_MAX:
        raise Unreadable(f"{what} does not fit 64 bits: {shown(value)}")
    return number


def whole_or_none(value: Any, what: str) -> int | None:
    """Return the value as a whole number, or None for none.

    Raises:
        Unreadable: when it is no whole number.
    """
    return None if value is None or value == "" else whole(value, what)


def metric_value(value: Any, what: str) -> float:
    """Return a metric's value as it is stored: infinities as the largest number, never -0.

    Raises:
        Unreadable: when it is no number.
    """
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise Unreadable(f"{what} is no number: {shown(value)}") from None
    if math.isinf(number):
        return math.copysign(LARGEST, number)
    # One NaN object, so that sets of points know it again.
    return math.nan if math.isnan(number) else number + 0.0


def attempt(
    left_out: list[str], where: str, make: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
) -> Iterator[T]:
    """Yield what `make` returns, or nothing and a line in `left_out` when it cannot be read."""
    try:
        made = make(*args, **kwargs)
    except Unreadable as problem:
        left_out.append(f"{where}: {problem}")
    else:
        yield made


def portions(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield the items in lists of at most this many."""
    rest = iter(items)
    while portion := list(islice(rest, size)):
        yield portion
