"""Search and jobs: pages that gather several apps."""

from django.urls import path

from platform_site.web import client_help, jobs, search

app_name = "web"
urlpatterns = [
    path("search/", search.search, name="search"),
    path("help/mlflow/", client_help.mlflow, name="mlflow-help"),
    path("jobs/", jobs.job_list, name="jobs"),
    path("jobs/<int:job_id>/", jobs.job_page, name="job-detail"),
    path("jobs/<int:job_id>/control/", jobs.job_control, name="job-control"),
]
