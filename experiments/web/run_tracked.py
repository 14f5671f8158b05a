"""The overview of a run that a client logs: state, source, note, params, tags, metrics, inputs."""

from dataclasses import dataclass
from typing import Any, Final

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from experiments.access import get_run
from experiments.models import Run
from experiments.selectors.run_columns import PARENT_TAG
from experiments.selectors.run_overview import (
    MOST_CHILDREN,
    RunLabels,
    children_of,
    inputs_of,
    labels_of,
    models_of,
    parent_of,
    versions_of,
)
from experiments.services import run_edits
from experiments.services.run_edits import NOTE_TAG, STOP_TAG
from experiments.web.figures import number
from experiments.web.run_page import RunFrame
from platform_site.accounts.access import signed_in
from platform_site.core.access_rules import login_needed
from platform_site.core.errors import Invalid
from platform_site.core.safe_markdown import markdown_html
from platform_site.jobs import states

MAX_VALUE_CHARS: Final = 1_000
SOURCE_TAGS: Final = {
    "mlflow.source.name": "name",
    "mlflow.source.type": "type",
    "mlflow.source.git.commit": "commit",
    "mlflow.source.git.branch": "branch",
    "mlflow.source.git.repoURL": "repository",
}
# Shown elsewhere on the page, or of no use to people.
HIDDEN_TAGS: Final = frozenset({NOTE_TAG, PARENT_TAG, "mlflow.user", *SOURCE_TAGS})


@dataclass(frozen=True)
class TrackedOverview:
    """What the page shows beside its frame."""

    source: dict[str, str]
    note: str
    note_html: SafeString
    params: list[tuple[str, str]]
    tags: list[tuple[str, str]]
    metrics: list[tuple[str, str, int]]
    parent: Run | None
    inputs: list[Any]
    models: list[Any]
    versions: list[Any]
    may_stop: bool
    is_asked_to_stop: bool


def tracked_overview(run: Run, frame: RunFrame) -> TrackedOverview:
    """Return what the overview shows; a handful of queries."""
    labels: RunLabels = labels_of(run)
    tags = labels.tags
    note = tags.get(NOTE_TAG, "")
    is_asked = tags.get(STOP_TAG, "").lower() == "true"
    is_active = run.status in states.ACTIVE and run.lifecycle == "active"
    return TrackedOverview(
        source={name: tags[key] for key, name in SOURCE_TAGS.items() if tags.get(key)},
        note=note,
        note_html=markdown_html(note),
        params=[(key, _cut(value)) for key, value in labels.params],
        tags=[(key, _cut(value)) for key, value in tags.items() if key not in HIDDEN_TAGS],
        metrics=[
            (key, "NaN" if one.value is None else number(one.value), one.step)
            for key, one in labels.metrics
        ],
        parent=parent_of(run, tags),
        inputs=inputs_of(run),
        models=models_of(run),
        versions=versions_of(run),
        may_stop=frame.may_write and is_active and not is_asked,
        is_asked_to_stop=is_active and is_asked,
    )


def _cut(value: str) -> str:
    return value if len(value) <= MAX_VALUE_CHARS else f"{value[:MAX_VALUE_CHARS]}…"


@login_needed
@require_safe
def run_children(request: HttpRequest, uuid: str) -> HttpResponse:
    """The runs that are part of this one, as a piece of its page."""
    run = get_run(request.user, uuid)
    found = children_of(run)
    context = {"run": run, "children": found[:MOST_CHILDREN], "more": len(found) > MOST_CHILDREN}
    return render(request, "experiments/run_children.html", context)


@login_needed
@require_POST
def run_edit(request: HttpRequest, uuid: str) -> HttpResponse:
    """Change a run by hand; `action` says what."""
    run = get_run(request.user, uuid, need="write")
    by = signed_in(request.user)
    action, key = request.POST.get("action", ""), request.POST.get("key", "")
    if action == "note":
        run_edits.write_note(run=run, text=request.POST.get("text", ""), by=by)
    elif action == "tag":
        run_edits.tag_runs(runs=[run], key=key, value=request.POST.get("value", ""), by=by)
    elif action == "untag":
        run_edits.untag_run(run=run, key=key, by=by)
    elif action == "delete":
        run_edits.delete_runs(runs=[run], by=by)
        messages.success(request, _("The run was deleted; it can be restored."))
    elif action == "restore":
        run_edits.restore_runs(runs=[run], by=by)
        messages.success(request, _("The run is back."))
    elif action == "stop":
        run_edits.ask_to_stop(run=run, by=by)
        messages.success(request, _("The program was asked to stop; it has to look for this."))
    else:
        raise Invalid("There is no such action.", field="action")
    return redirect("experiments:run-detail", uuid)
