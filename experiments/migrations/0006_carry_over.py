"""Carries params, tags, metric points and times of runs over into the tables of 0005.

Works in portions and may be run again: what is there already is left alone.
"""

import hashlib
import struct
from itertools import islice

from django.db import migrations
from django.db.models import F, Sum

RUNS_PER_PORTION = 200
POINTS_PER_ROW = 1000


def carry_over(apps, schema_editor):
    model = lambda name: apps.get_model("experiments", name)  # noqa: E731
    model("Experiment").objects.filter(name="Default").update(is_default=True)
    runs_of, keys = model("Run").objects, model("Key").objects
    ids = runs_of.order_by("id").values_list("id", flat=True).iterator()
    while portion := list(islice(ids, RUNS_PER_PORTION)):
        runs = runs_of.filter(id__in=portion)
        for run in runs.select_related("created_by").iterator():
            run.user_name = run.created_by.username[:250]
            run.start_ms = _ms(run.started_at)
            run.end_ms = _ms(run.ended_at)
            run.dirty = 1
            run.save(update_fields=["user_name", "start_ms", "end_ms", "dirty"])
        names = set()
        for old in ("Param", "Tag", "MetricPoint"):
            names |= set(
                model(old).objects.filter(run_id__in=portion).values_list("key", flat=True)
            )
        keys.bulk_create([keys.model(name=name) for name in names], ignore_conflicts=True)
        numbers = dict(keys.filter(name__in=names).values_list("name", "id"))
        for old, new in (("Param", "RunParam"), ("Tag", "RunTag")):
            rows = model(old).objects.filter(run_id__in=portion)
            model(new).objects.bulk_create(
                [
                    model(new)(run_id=run, key_id=numbers[key], value=value)
                    for run, key, value in rows.values_list("run_id", "key", "value")
                ],
                ignore_conflicts=True,
            )
        for run in portion:
            _pack_points(model, run, numbers)


def _pack_points(model, run, numbers):
    points = (
        model("MetricPoint")
        .objects.filter(run_id=run)
        .order_by("id")
        .values_list("key", "step", "at", "value")
        .iterator()
    )
    tails = model("MetricTail").objects
    while rows := list(islice(points, POINTS_PER_ROW)):
        n = len(rows)
        keys, steps, times, values = zip(*rows, strict=True)
        data = (
            b"\x00"
            + struct.pack(f"<{n}i", *(numbers[key] for key in keys))
            + struct.pack(f"<{n}q", *steps)
            + struct.pack(f"<{n}q", *map(_ms, times))
            + struct.pack(f"<{n}d", *(float("nan") if v is None else v for v in values))
        )
        digest = hashlib.blake2b(data, digest_size=8).digest()
        tails.bulk_create(
            [
                tails.model(
                    run_id=run,
                    digest=int.from_bytes(digest, "little", signed=True),
                    n_points=n,
                    data=data,
                )
            ],
            ignore_conflicts=True,
        )
    total = tails.filter(run_id=run).aggregate(n=Sum("n_points"))["n"] or 0
    model("Run").objects.filter(pk=run).update(tail_points=total, version=F("version") + 1)


def _ms(moment):
    return None if moment is None else round(moment.timestamp() * 1000)


class Migration(migrations.Migration):
    dependencies = [("experiments", "0005_tracking")]

    operations = [migrations.RunPython(carry_over, migrations.RunPython.noop)]
