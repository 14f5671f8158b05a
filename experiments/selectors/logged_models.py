"""Logged models as clients and pages read them."""

from collections.abc import Iterable
from typing import Final

from django.db.models import F, Prefetch, QuerySet, Window
from django.db.models.functions import RowNumber

from experiments.models import Lifecycle, LoggedModel, LoggedModelMetric

MAX_METRICS_SHOWN: Final = 1000
"""Newest metric points of a logged model that an answer holds; a training can log millions."""


def logged_model(model_id: str, *, with_deleted: bool = False) -> LoggedModel | None:
    """Return the logged model with its experiment and labels, None without."""
    models = LoggedModel.objects.filter(model_id=model_id)
    if not with_deleted:
        models = models.filter(lifecycle=Lifecycle.ACTIVE)
    return with_content(models).first()


def logged_models(ids: Iterable[int]) -> dict[int, LoggedModel]:
    """Return these logged models by number; five queries however many they are."""
    return with_content(LoggedModel.objects.all()).in_bulk(list(ids))


def with_content(models: QuerySet[LoggedModel]) -> QuerySet[LoggedModel]:
    """Fetch experiment, params, tags and newest metric points of the models."""
    newest = Window(RowNumber(), partition_by=[F("model_id")], order_by=F("id").desc())
    points = (
        LoggedModelMetric.objects.select_related("run")
        .only(
            "model_id", "key", "step", "timestamp_ms", "value", "is_nan", "dataset_name",
            "dataset_digest", "run__uuid",
        )
        .annotate(place=newest)
        .filter(place__lte=MAX_METRICS_SHOWN)
        .order_by("id")
    )  # fmt: skip
    return models.select_related("experiment").prefetch_related(
        "params", "tags", Prefetch("metrics", points)
    )
