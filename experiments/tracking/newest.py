"""The newest point of each metric among many: by (step, time, value), a NaN counting as 0."""

from collections.abc import Iterable

from experiments.tracking.codec import KeyedColumns

Newest = tuple[int, int, float, bool]
"""Step, time in ms, value (0 for a NaN), whether it is a NaN; the greatest is the newest."""


def newest_of(
    tails: Iterable[KeyedColumns], found: dict[int, Newest] | None = None
) -> dict[int, Newest]:
    """Return the newest point of each key, also against what was found before."""
    newest = {} if found is None else found
    for tail in tails:
        for key_id, step, at_ms, value in zip(
            tail.key_ids, tail.steps, tail.times_ms, tail.values, strict=True
        ):
            held = newest.get(key_id)
            if held is not None and step < held[0]:
                continue
            is_nan = value != value  # noqa: PLR0124  # only NaN differs from itself
            point = (step, at_ms, 0.0 if is_nan else value, is_nan)
            if held is None or point > held:
                newest[key_id] = point
    return newest
