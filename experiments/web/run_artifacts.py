"""Files of a run: folders, previews, downloads."""

from typing import Final

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.http import content_disposition_header
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_safe

from assets.storage import blob_path
from experiments.access import get_run
from experiments.models import ArtifactFile, Run
from experiments.selectors.run_artifacts import (
    DRAWINGS,
    IMAGES,
    MAX_SHOWN_BYTES,
    PAGES,
    ending_of,
    file_of,
    folder_of,
    has_own_files,
    preview_of,
)
from experiments.web.run_page import run_frame, snapshot_number
from platform_site.core.access_rules import login_needed
from platform_site.core.errors import NotFound
from platform_site.core.file_answers import file_answer

# A page that somebody logged may run its own script, in an origin of its own that reaches nothing.
PAGE_POLICY: Final = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline' data: blob:;"
    " style-src 'unsafe-inline'; img-src data: blob:; font-src data:; frame-ancestors 'self'"
)
IMAGE_POLICY: Final = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"


@login_needed
@require_safe
def run_artifacts(request: HttpRequest, uuid: str) -> HttpResponse:
    """A folder of the run, or a file beside the folder that it is in."""
    after = snapshot_number(uuid)
    run = get_run(request.user, uuid)
    context = {
        "frame": run_frame(request, run, tab="artifacts", after=after),
        **_content(run, request.GET.get("path", "")),
    }
    return render(request, "experiments/run_artifacts.html", context)


def _content(run: Run, path: str) -> dict[str, object]:
    if not has_own_files(run):
        return {"elsewhere": run.experiment.artifact_location}
    folder = folder_of(run, path)
    if folder.entries or not folder.path:
        return {"folder": folder}
    file = file_of(run, path)  # refuses a path that is neither
    above = folder_of(run, folder.path.rpartition("/")[0])
    return {"folder": above, "file": file, "file_path": folder.path, "preview": preview_of(file)}


@login_needed
@require_safe
@xframe_options_sameorigin
def run_artifact_file(request: HttpRequest, uuid: str) -> HttpResponseBase:
    """A file's bytes: for download, or for the preview that the page embeds."""
    run = get_run(request.user, uuid)
    if not has_own_files(run):
        raise NotFound("These files are kept elsewhere.")
    file = file_of(run, request.GET.get("path", ""))
    name = file.path.rsplit("/", 1)[-1]
    answer = file_answer(request, blob_path(file.blob.sha256), file_name=name)
    if request.GET.get("show") == "1" and file.size_bytes <= MAX_SHOWN_BYTES:
        _show(answer, file, name)
    return answer


def _show(answer: HttpResponseBase, file: ArtifactFile, name: str) -> None:
    """Let the browser draw images and pages, in a box from which nothing gets out."""
    ending = ending_of(file)
    if ending in IMAGES:
        answer.headers["Content-Type"] = IMAGES[ending]
        answer.headers["Content-Security-Policy"] = IMAGE_POLICY
        if ending in DRAWINGS:
            return  # an <img> draws it all the same; opened by itself it is saved, not run
    elif ending in PAGES:
        answer.headers["Content-Type"] = "text/html; charset=utf-8"
        answer.headers["Content-Security-Policy"] = PAGE_POLICY
    else:
        return
    inline = content_disposition_header(as_attachment=False, filename=name)
    answer.headers["Content-Disposition"] = inline or "inline"
