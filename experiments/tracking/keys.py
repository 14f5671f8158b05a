"""Names of metrics, params and tags as numbers, through one dictionary."""

from collections.abc import Iterable

from experiments.models import Key


def key_ids(names: Iterable[str]) -> dict[str, int]:
    """Return the number of each name, made if new, inside the caller's transaction."""
    wanted = set(names)
    known = dict(Key.objects.filter(name__in=wanted).values_list("name", "id"))
    missing = wanted - known.keys()
    if missing:
        Key.objects.bulk_create((Key(name=name) for name in missing), ignore_conflicts=True)
        known |= Key.objects.filter(name__in=missing).values_list("name", "id")
    return known
