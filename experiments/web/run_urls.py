"""Addresses of training and run pages."""

from django.urls import path

from experiments.web import predictions, reports, runs, training

RUN = "runs/<str:uuid>/"

run_urls = [
    path("train/", training.training_new, name="training-new"),
    path("runs/", runs.run_list, name="run-list"),
    path(RUN, runs.run_detail, name="run-detail"),
    path(f"{RUN}control/", runs.run_control, name="run-control"),
    path(f"{RUN}rename/", runs.run_rename, name="run-rename"),
    path(f"{RUN}report/", reports.run_report, name="run-report"),
    path(f"{RUN}report/print/", reports.run_report_print, name="run-report-print"),
    path(f"{RUN}predictions/", predictions.run_predictions, name="run-predictions"),
    path(
        f"{RUN}predictions/export/", predictions.predictions_export, name="run-predictions-export"
    ),
    path(f"{RUN}explain/", predictions.run_explain, name="run-explain"),
    path(f"{RUN}try/", reports.run_try, name="run-try"),
]
