"""Addresses of the dataset pages."""

from django.urls import path

from experiments.web import dataset_versions as versions
from experiments.web import datasets

DATASET = "datasets/<int:dataset_id>/"
VERSION = f"{DATASET}versions/<int:number>/"

dataset_urls = [
    path("datasets/", datasets.dataset_list, name="dataset-list"),
    path("datasets/upload/", datasets.dataset_upload, name="dataset-upload"),
    path("datasets/sources/", datasets.dataset_sources_page, name="dataset-sources"),
    path(DATASET, datasets.dataset_detail, name="dataset-detail"),
    path(f"{DATASET}edit/", datasets.dataset_edit, name="dataset-edit"),
    path(f"{DATASET}shelve/", datasets.dataset_shelve, name="dataset-shelve"),
    path(f"{DATASET}fetch/", datasets.dataset_fetch, name="dataset-fetch"),
    path(f"{DATASET}upload/", datasets.dataset_upload_version, name="dataset-upload-version"),
    path(VERSION, versions.dataset_version, name="dataset-version"),
    path(f"{VERSION}columns/", versions.dataset_columns, name="dataset-columns"),
    path(f"{VERSION}rows/", versions.dataset_rows, name="dataset-rows"),
    path(f"{VERSION}relations/", versions.dataset_relations, name="dataset-relations"),
    path(f"{VERSION}target/", versions.dataset_target, name="dataset-target"),
    path(f"{VERSION}file/", versions.dataset_reading, name="dataset-reading"),
    path(f"{VERSION}read-again/", versions.dataset_read_again, name="dataset-read-again"),
    path(f"{VERSION}discard/", versions.dataset_discard, name="dataset-discard"),
    path(f"{VERSION}download/", versions.dataset_download, name="dataset-download"),
]
