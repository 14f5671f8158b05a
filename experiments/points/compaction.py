"""Compaction of metric points: rows of requests become ordered blocks, each point once.

Points are ordered by time, step and value; a NaN follows the numbers of its time and step. The
formats are those of `experiments.tracking.codec`, read here as arrays.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

BLOCK_POINTS: Final = 4096
# Filling every block to the brim would rewrite six points for each new one of a run with 100
# metrics (2026-11-20).
FULL_ENOUGH: Final = 4
FORMAT: Final = 0
TAIL_POINT_BYTES: Final = 28
BLOCK_POINT_BYTES: Final = 24

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Series:
    """Columns of equal length: times in ms since 1970, steps, values."""

    times_ms: Ints
    steps: Ints
    values: Floats

    def __len__(self) -> int:
        """Return the number of points."""
        return len(self.steps)

    def at(self, places: Any) -> Series:
        """Return the points at these places, a slice or an array of positions."""
        return Series(self.times_ms[places], self.steps[places], self.values[places])


class Block(NamedTuple):
    """A block as the table holds it; steps are the least and the greatest."""

    n_points: int
    first_ms: int
    last_ms: int
    first_step: int
    last_step: int
    min_value: float | None
    max_value: float | None
    last_value: float | None
    data: bytes


class Span(NamedTuple):
    """What is known of a stored block without reading it."""

    number: int
    n_points: int
    first_ms: int
    last_ms: int


class Plan(NamedTuple):
    """Points that belong together, and the stored blocks that they must be merged with."""

    points: Series
    block_numbers: list[int]


def series_of_tails(rows: Iterable[bytes]) -> dict[int, Series]:
    """Return the points of tail rows by key, each once, in order.

    Raises:
        ValueError: for a row in another format or a cut one.
    """
    parts = [_tail_columns(row) for row in rows]
    if not parts:
        return {}
    keys, steps, times_ms, values = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.lexsort((values, steps, times_ms, keys))
    keys, every = keys[order], Series(times_ms[order], steps[order], values[order])
    starts = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]])
    ends = np.r_[starts[1:], len(keys)]
    return {
        int(keys[start]): _unique(every.at(slice(start, end)))
        for start, end in zip(starts, ends, strict=True)
    }


def plans_for(points: Series, stored: Sequence[Span]) -> list[Plan]:
    """Return which of the new points go together with which stored blocks.

    Args:
        points: new points of one series, in order.
        stored: its blocks in order, which do not overlap.
    """
    if not stored:
        return [Plan(points, [])]
    first = np.array([span.first_ms for span in stored])
    last = np.array([span.last_ms for span in stored])
    # A point belongs to the last block that begins at or before its time, ...
    high = np.maximum(np.searchsorted(first, points.times_ms, side="right") - 1, 0)
    # ... and to those before that end at its time, since steps and values decide there.
    low = np.minimum(np.searchsorted(last, points.times_ms, side="left"), high)
    # Both rise with time: points go together as long as their blocks touch.
    starts = np.flatnonzero(np.r_[True, low[1:] > high[:-1]])
    ends = np.r_[starts[1:], len(points)]
    plans: list[Plan] = []
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        chosen = stored[int(low[start]) : int(high[end - 1]) + 1]
        numbers = [] if _is_behind(points, start, chosen) else [span.number for span in chosen]
        plans.append(Plan(points.at(slice(start, end)), numbers))
    return plans


def _is_behind(points: Series, start: int, chosen: Sequence[Span]) -> bool:
    """Whether the points follow one block that is full enough to be left alone."""
    only = chosen[0]
    return (
        len(chosen) == 1
        and only.n_points >= BLOCK_POINTS // FULL_ENOUGH
        and int(points.times_ms[start]) > only.last_ms
    )


def merged(points: Series, blocks: Iterable[bytes]) -> list[Block]:
    """Return new blocks that hold the points and those of stored blocks, each once, in order.

    Raises:
        ValueError: for a block in another format or a cut one.
    """
    parts = [points, *(_block_columns(data) for data in blocks)]
    if len(parts) > 1:
        every = Series(
            np.concatenate([part.times_ms for part in parts]),
            np.concatenate([part.steps for part in parts]),
            np.concatenate([part.values for part in parts]),
        )
        points = _unique(every.at(np.lexsort((every.values, every.steps, every.times_ms))))
    cuts = range(0, len(points), BLOCK_POINTS)
    return [_block(points.at(slice(start, start + BLOCK_POINTS))) for start in cuts]


def _unique(ordered: Series) -> Series:
    """Return ordered points without repeats; all NaN are alike, and so are both zeros."""
    if len(ordered) < 2:
        return ordered
    values, is_nan = ordered.values, np.isnan(ordered.values)
    same = (
        (ordered.times_ms[1:] == ordered.times_ms[:-1])
        & (ordered.steps[1:] == ordered.steps[:-1])
        & ((values[1:] == values[:-1]) | (is_nan[1:] & is_nan[:-1]))
    )
    return ordered.at(np.flatnonzero(np.r_[True, ~same])) if same.any() else ordered


def _block(points: Series) -> Block:
    numbers = points.values[~np.isnan(points.values)]
    has_numbers = len(numbers) > 0
    return Block(
        n_points=len(points),
        first_ms=int(points.times_ms[0]),
        last_ms=int(points.times_ms[-1]),
        first_step=int(points.steps.min()),
        last_step=int(points.steps.max()),
        min_value=float(numbers.min()) if has_numbers else None,
        max_value=float(numbers.max()) if has_numbers else None,
        last_value=float(numbers[-1]) if has_numbers else None,
        data=bytes([FORMAT])
        + points.steps.astype("<i8").tobytes()
        + points.times_ms.astype("<i8").tobytes()
        + points.values.astype("<f8").tobytes(),
    )


def _tail_columns(data: bytes) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    n = _length(data, TAIL_POINT_BYTES)
    return (
        np.frombuffer(data, "<i4", n, 1),
        np.frombuffer(data, "<i8", n, 1 + 4 * n),
        np.frombuffer(data, "<i8", n, 1 + 12 * n),
        np.frombuffer(data, "<f8", n, 1 + 20 * n),
    )


def _block_columns(data: bytes) -> Series:
    n = _length(data, BLOCK_POINT_BYTES)
    return Series(
        steps=np.frombuffer(data, "<i8", n, 1),
        times_ms=np.frombuffer(data, "<i8", n, 1 + 8 * n),
        values=np.frombuffer(data, "<f8", n, 1 + 16 * n),
    )


def _length(data: bytes, point_bytes: int) -> int:
    if not data or data[0] != FORMAT:
        raise ValueError("points in an unknown format")
    n, rest = divmod(len(data) - 1, point_bytes)
    if rest:
        raise ValueError("points that were cut")
    return n
