"""What the server is: its version, what it can do, and which projects clients can work in."""

from typing import Any, Final

from experiments.mlflow_api.kit.answers import Answer, ok, plain
from experiments.mlflow_api.kit.call import Call
from experiments.mlflow_api.kit.routes import Route
from platform_site.accounts.models import Project
from platform_site.core.errors import NotFound

EMULATED_VERSION: Final = "3.17.2"
"""The release of the protocol that clients may expect here."""
CAPABILITIES: Final = {
    "store_type": "SqlStore",
    "workspaces_enabled": True,
    "trace_archival_enabled": False,
    "multipart_uploads_enabled": True,
    "multipart_downloads_enabled": False,
    "presigned_upload_run_id_supported": False,
    "presigned_upload_model_id_supported": False,
    "features_enabled": {"gateway": False},
}


def version(call: Call) -> Answer:
    """Answer with the release of the protocol, as plain text."""
    return plain(EMULATED_VERSION)


def server_info(call: Call) -> Answer:
    """Answer with what clients may use."""
    return ok(CAPABILITIES)


def list_workspaces(call: Call) -> dict[str, Any]:
    """Answer with the caller's projects."""
    projects = Project.objects.filter(pk__in=call.caller.roles).order_by("slug")
    return {"workspaces": [_workspace(project) for project in projects]}


def get_workspace(call: Call) -> dict[str, Any]:
    """Answer with one project by its short name.

    Raises:
        NotFound: when there is none that the caller may see.
    """
    name = call.path_params["name"]
    project = Project.objects.filter(pk__in=call.caller.roles, slug=name).first()
    if project is None:
        raise NotFound(f"Workspace '{name[:100]}' not found.")
    return {"workspace": _workspace(project)}


def _workspace(project: Project) -> dict[str, str]:
    words = {"name": project.slug, "description": project.description or project.name}
    return {name: text for name, text in words.items() if text}


ROUTES: Final = [
    Route("GET", "/version", version, public=True),
    Route("GET", "3.0/mlflow/server-info", server_info, public=True),
    Route("GET", "3.0/mlflow/workspaces", list_workspaces),
    Route("GET", "3.0/mlflow/workspaces/{name}", get_workspace),
]
