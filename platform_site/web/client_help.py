"""“Use it from MLflow”: the steps of docs/mlflow/use.md with this installation's own address."""

from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from platform_site.accounts.access import signed_in, visible_projects
from platform_site.core.access_rules import login_needed

EXAMPLE = """\
import mlflow

mlflow.set_experiment("stars")
with mlflow.start_run(run_name="first"):
    mlflow.log_param("lr", 0.1)
    for step in range(100):
        mlflow.log_metric("loss", 1 / (step + 1), step=step)
"""
AUTOLOG = """\
import mlflow

mlflow.autolog()
model.fit(features, target)
"""
STOP = """\
tags = mlflow.MlflowClient().get_run(run.info.run_id).data.tags
if tags.get("assay.stop") == "true":
    break
"""


@dataclass(frozen=True)
class ClientHelp:
    """What the page shows."""

    server_url: str
    variables: str
    project_slugs: list[str]
    example: str = EXAMPLE
    autolog: str = AUTOLOG
    stop: str = STOP


@login_needed
@require_safe
def mlflow(request: HttpRequest) -> HttpResponse:
    """Show how to log to this server from a client."""
    url = request.build_absolute_uri("/").rstrip("/")
    variables = f"export MLFLOW_TRACKING_URI={url}\nexport MLFLOW_TRACKING_TOKEN="
    slugs = list(
        visible_projects(signed_in(request.user)).order_by("pk").values_list("slug", flat=True)[:20]
    )
    return render(request, "web/client_help.html", {"page": ClientHelp(url, variables, slugs)})
