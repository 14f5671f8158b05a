"""Pages of datasets, training and runs."""

from django.urls import URLPattern, URLResolver

from experiments.web.dataset_urls import dataset_urls
from experiments.web.run_urls import run_urls

app_name = "experiments"
urlpatterns: list[URLPattern | URLResolver] = [*dataset_urls, *run_urls]
