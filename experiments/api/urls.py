"""API of datasets and training jobs."""

from django.urls import URLPattern, URLResolver

from experiments.api.dataset_urls import dataset_urls
from experiments.api.training_urls import training_urls

urlpatterns: list[URLPattern | URLResolver] = [*dataset_urls, *training_urls]
