"""Addresses of training jobs on the API."""

from django.urls import path

from experiments.api import training
from experiments.api.prediction_files import PredictionsFileView
from experiments.api.training_live import TrainingEventsView, training_stream

JOB = "ml-platform/training-jobs/<int:job_id>/"

training_urls = [
    path("ml-platform/model-types/", training.ModelTypesView.as_view(), name="api-model-types"),
    path("ml-platform/training-jobs/", training.TrainingJobsView.as_view(), name="api-trainings"),
    path(JOB, training.TrainingJobView.as_view(), name="api-training"),
    path(f"{JOB}control/", training.ControlView.as_view(), name="api-training-control"),
    path(f"{JOB}logs/", training.LogsView.as_view(), name="api-training-logs"),
    path(f"{JOB}result/", training.ResultView.as_view(), name="api-training-result"),
    path(f"{JOB}curves/", training.CurvesView.as_view(), name="api-training-curves"),
    path(f"{JOB}predictions/", training.PredictionsView.as_view(), name="api-training-predictions"),
    path(
        f"{JOB}predictions/file/",
        PredictionsFileView.as_view(),
        name="api-training-predictions-file",
    ),
    path(f"{JOB}events/", TrainingEventsView.as_view(), name="api-training-events"),
    path(f"{JOB}stream/", training_stream, name="api-training-stream"),
]
