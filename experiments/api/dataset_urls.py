"""Addresses of datasets on the API."""

from django.urls import path

from experiments.api import dataset_versions as versions
from experiments.api import datasets

DATASET = "datasets/<int:dataset_id>/"
VERSION = f"{DATASET}versions/<int:number>/"

dataset_urls = [
    path("datasets/", datasets.DatasetsView.as_view(), name="api-datasets"),
    path("datasets/sources/", datasets.SourcesView.as_view(), name="api-dataset-sources"),
    path(DATASET, datasets.DatasetView.as_view(), name="api-dataset"),
    path(f"{DATASET}fetch/", datasets.FetchView.as_view(), name="api-dataset-fetch"),
    path(f"{DATASET}versions/", datasets.VersionsView.as_view(), name="api-dataset-versions"),
    path(VERSION, versions.VersionView.as_view(), name="api-dataset-version"),
    path(f"{VERSION}profile/", versions.ProfileView.as_view(), name="api-dataset-profile"),
    path(f"{VERSION}rows/", versions.RowsView.as_view(), name="api-dataset-rows"),
    path(f"{VERSION}target-analysis/", versions.TargetAnalysisView.as_view(), name="api-dataset-target"),
    path(f"{VERSION}read-again/", versions.ReadAgainView.as_view(), name="api-dataset-read-again"),
    path(f"{VERSION}download/", versions.DownloadView.as_view(), name="api-dataset-download"),
]  # fmt: skip
