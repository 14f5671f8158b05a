"""Metric points as bytes: columns of fixed width, little-endian, behind a format byte.

A tail holds the points of one request, in the order they came; a block holds points of one metric.
"""

from __future__ import annotations

import hashlib
import sys
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

TAIL_FORMAT: Final = 0
BLOCK_FORMAT: Final = 0
TAIL_POINT_BYTES: Final = 28
BLOCK_POINT_BYTES: Final = 24
_SWAP: Final = sys.byteorder == "big"


@dataclass(slots=True)
class Columns:
    """Points as columns of equal length: step, time in ms since 1970, value (NaN and ± inf too)."""

    steps: array[int] = field(default_factory=lambda: array("q"))
    times_ms: array[int] = field(default_factory=lambda: array("q"))
    values: array[float] = field(default_factory=lambda: array("d"))

    def __len__(self) -> int:
        """Return the number of points."""
        return len(self.steps)


@dataclass(slots=True)
class KeyedColumns(Columns):
    """Points of several metrics: the numbers of their keys as one more column."""

    key_ids: array[int] = field(default_factory=lambda: array("i"))


def keyed_columns(points: Iterable[tuple[int, int, int, float]]) -> KeyedColumns:
    """Return columns of (key id, step, time in ms, value)."""
    key_ids, steps, times_ms, values = zip(*points, strict=True)
    return KeyedColumns(
        key_ids=array("i", key_ids),
        steps=array("q", steps),
        times_ms=array("q", times_ms),
        values=array("d", values),
    )


def pack_tail(columns: KeyedColumns) -> bytes:
    """Return the bytes of a tail row."""
    parts = (columns.key_ids, columns.steps, columns.times_ms, columns.values)
    return bytes([TAIL_FORMAT]) + b"".join(_to_bytes(part) for part in parts)


def unpack_tail(data: bytes | memoryview) -> KeyedColumns:
    """Return the points of a tail row.

    Raises:
        ValueError: for another format or a cut row.
    """
    n, body = _body(data, TAIL_FORMAT, TAIL_POINT_BYTES)
    return KeyedColumns(
        key_ids=_from_bytes("i", body[: 4 * n]),
        steps=_from_bytes("q", body[4 * n : 12 * n]),
        times_ms=_from_bytes("q", body[12 * n : 20 * n]),
        values=_from_bytes("d", body[20 * n :]),
    )


def pack_block(columns: Columns) -> bytes:
    """Return the bytes of a block row."""
    parts = (columns.steps, columns.times_ms, columns.values)
    return bytes([BLOCK_FORMAT]) + b"".join(_to_bytes(part) for part in parts)


def unpack_block(data: bytes | memoryview) -> Columns:
    """Return the points of a block row.

    Raises:
        ValueError: for another format or a cut row.
    """
    n, body = _body(data, BLOCK_FORMAT, BLOCK_POINT_BYTES)
    return Columns(
        steps=_from_bytes("q", body[: 8 * n]),
        times_ms=_from_bytes("q", body[8 * n : 16 * n]),
        values=_from_bytes("d", body[16 * n :]),
    )


def digest_of(data: bytes) -> int:
    """Return 64 bits of BLAKE2b as a signed number: equal requests have equal digests."""
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little", signed=True)


def _body(data: bytes | memoryview, expected: int, point_bytes: int) -> tuple[int, memoryview]:
    view = memoryview(data)
    if len(view) == 0 or view[0] != expected:
        raise ValueError("points in an unknown format")
    n, rest = divmod(len(view) - 1, point_bytes)
    if rest:
        raise ValueError("points that were cut")
    return n, view[1:]


def _to_bytes(column: array[int] | array[float]) -> bytes:
    if _SWAP:
        column = column[:]
        column.byteswap()
    return column.tobytes()


def _from_bytes(code: str, data: memoryview) -> array[Any]:
    column: array[Any] = array(code)
    column.frombytes(data)
    if _SWAP:
        column.byteswap()
    return column
