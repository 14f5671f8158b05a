"""The newest point of each metric among many: by (step, time, value), a NaN counting as 0."""

from collections.abc import Sequence
from math import isnan

from experiments.tracking.codec import KeyedColumns

Newest = tuple[int, int, float, bool]
"""Step, time in ms, value (0 for a NaN), whether it is a NaN; the greatest is the newest."""


def newest_of(tails: Sequence[KeyedColumns]) -> dict[int, Newest]:
    """Return the newest point of each key."""
    newest: dict[int, tuple[int, int, float]] = {}
    held_of = newest.get
    # Backwards: what came last is the newest as a rule, so that hardly any point is noted twice.
    for tail in reversed(tails):
        for key_id, step, at_ms, value in zip(
            tail.key_ids[::-1],
            tail.steps[::-1],
            tail.times_ms[::-1],
            tail.values[::-1],
            strict=True,
        ):
            held = held_of(key_id)
            if (
                held is None
                or step > held[0]
                or (step == held[0] and _ranked(step, at_ms, value) > _ranked(*held))
            ):
                newest[key_id] = (step, at_ms, value)
    return {key_id: _ranked(*point) for key_id, point in newest.items()}


def _ranked(step: int, at_ms: int, value: float) -> Newest:
    return (step, at_ms, 0.0, True) if isnan(value) else (step, at_ms, value, False)
