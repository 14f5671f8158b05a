"""Addresses of training and run pages."""

from django.urls import path

from experiments.web import (
    compare,
    experiments,
    predictions,
    reports,
    run_artifacts,
    run_bulk,
    run_charts,
    run_tables,
    run_tracked,
    runs,
    traces,
    training,
)

RUN = "runs/<str:uuid>/"
EXPERIMENT = "experiments/<int:experiment_id>/"

run_urls = [
    path("train/", training.training_new, name="training-new"),
    path("experiments/", experiments.experiment_list, name="experiment-list"),
    path("experiments/new/", experiments.experiment_new, name="experiment-new"),
    path(EXPERIMENT, run_tables.experiment_detail, name="experiment-detail"),
    path(f"{EXPERIMENT}change/", experiments.experiment_change, name="experiment-change"),
    path("runs/", run_tables.run_list, name="run-list"),
    path("runs/columns/", run_tables.run_columns, name="run-columns"),
    path("runs/csv/", run_tables.run_csv, name="run-csv"),
    path("runs/bulk/", run_bulk.run_bulk, name="run-bulk"),
    path("runs/views/", run_bulk.saved_view_new, name="saved-view-new"),
    path("runs/views/<int:view_id>/delete/", run_bulk.saved_view_delete, name="saved-view-delete"),
    path("compare/", compare.run_compare, name="run-compare"),
    path("compare/series/", compare.run_compare_series, name="run-compare-series"),
    path(RUN, runs.run_detail, name="run-detail"),
    path(f"{RUN}control/", runs.run_control, name="run-control"),
    path(f"{RUN}rename/", runs.run_rename, name="run-rename"),
    path(f"{RUN}edit/", run_tracked.run_edit, name="run-edit"),
    path(f"{RUN}children/", run_tracked.run_children, name="run-children"),
    path(f"{RUN}artifacts/", run_artifacts.run_artifacts, name="run-artifacts"),
    path(f"{RUN}artifacts/file/", run_artifacts.run_artifact_file, name="run-artifact-file"),
    path(f"{RUN}charts/", run_charts.run_charts, name="run-charts"),
    path(f"{RUN}traces/", traces.run_traces, name="run-traces"),
    path(f"{EXPERIMENT}traces/", traces.experiment_traces, name="experiment-traces"),
    path("traces/<str:trace_id>/", traces.trace_detail, name="trace-detail"),
    path(f"{RUN}system/", run_charts.run_system, name="run-system"),
    path(f"{RUN}series/", run_charts.run_series, name="run-series"),
    path(f"{RUN}report/", reports.run_report, name="run-report"),
    path(f"{RUN}report/print/", reports.run_report_print, name="run-report-print"),
    path(f"{RUN}predictions/", predictions.run_predictions, name="run-predictions"),
    path(
        f"{RUN}predictions/export/", predictions.predictions_export, name="run-predictions-export"
    ),
    path(f"{RUN}explain/", predictions.run_explain, name="run-explain"),
    path(f"{RUN}try/", reports.run_try, name="run-try"),
]
