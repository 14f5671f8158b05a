"""Pages that start a training."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from experiments.access import get_dataset
from experiments.models import Dataset, DatasetVersion
from experiments.services.runs import start_training
from experiments.services.training_requests import TrainingRequest
from experiments.web.training_forms import MIB
from experiments.web.training_page import TrainingPage, training_page
from platform_site.accounts.access import signed_in
from platform_site.accounts.current import current_project
from platform_site.core.access_rules import login_needed
from platform_site.core.errors import DomainError, Invalid, NotFound
from platform_site.core.paging import parse_whole_number
from platform_site.jobs.queue import warm_up

MAX_LISTED = 200


@login_needed
@require_http_methods(["GET", "POST"])
def training_new(request: HttpRequest) -> HttpResponse:
    """Choose data, target and model; POST starts the training."""
    version = _version(request)
    if version is None:
        return _choose_dataset(request)
    if request.method == "POST":
        return _start(request, version)
    warm_up()
    page = training_page(version, request.GET, project=version.dataset.project, submitted=False)
    template = "experiments/training_fields.html" if _is_fragment(request) else FORM
    return render(request, template, {"page": page})


FORM = "experiments/training_new.html"


def _is_fragment(request: HttpRequest) -> bool:
    return request.headers.get("HX-Request") == "true" and not request.headers.get("HX-Boosted")


def _version(request: HttpRequest) -> DatasetVersion | None:
    values = request.POST if request.method == "POST" else request.GET
    if not values.get("dataset"):
        return None
    number = parse_whole_number(values.get("dataset"), "dataset", 0)
    dataset = get_dataset(request.user, number, need="write")
    versions = DatasetVersion.objects.select_related("dataset__project").filter(
        dataset=dataset, status=DatasetVersion.Status.READY
    )
    if values.get("version"):
        wanted = parse_whole_number(values.get("version"), "version", 0)
        version = versions.filter(number=wanted).first()
        if version is None:
            raise NotFound(f"This dataset has no usable version {wanted}.")
        return version
    version = versions.order_by("-number").first()
    if version is None:
        raise Invalid("This dataset has no version that can be used yet.", field="dataset")
    return version


def _choose_dataset(request: HttpRequest) -> HttpResponse:
    project = current_project(request)
    datasets = (
        Dataset.objects.filter(
            project=project, archived_at=None, versions__status=DatasetVersion.Status.READY
        )
        .distinct()
        .select_related("created_by")
        .order_by("-id")[:MAX_LISTED]
    )
    return render(request, "experiments/training_choose.html", {"datasets": list(datasets)})


def _start(request: HttpRequest, version: DatasetVersion) -> HttpResponse:
    page = training_page(version, request.POST, project=version.dataset.project, submitted=True)
    if not (page.form.is_valid() and page.params.is_valid()):
        return render(request, FORM, {"page": page}, status=400)
    try:
        run = start_training(
            project=version.dataset.project,
            by=signed_in(request.user),
            request=_request(request, page),
        )
    except DomainError as error:
        _show_error(page, error)
        return render(request, FORM, {"page": page, "error": error}, status=error.status)
    messages.success(request, _("The training is in line; it starts in a moment."))
    return redirect("experiments:run-detail", run.uuid)


def _show_error(page: TrainingPage, error: DomainError) -> None:
    """Put the refusal beside the field that it names."""
    field = str(error.details.get("field", ""))
    if field.startswith("hyperparameters."):
        name = "hp-" + field.removeprefix("hyperparameters.")
        if name in page.params.fields:
            page.params.add_error(name, error.message)
            return
    name = field.removeprefix("validation.")
    name = {"kind": "validation", "time_limit_s": "time_limit_min"}.get(name, name)
    page.form.add_error(name if name in page.form.fields else None, error.message)


def _request(request: HttpRequest, page: TrainingPage) -> TrainingRequest:
    values = page.form.cleaned_data
    wanted: dict[str, Any] = {
        key: values[key] or "" for key in ("name", "experiment", "register_as")
    }
    limit_min, limit_mib = values["time_limit_min"], values["memory_limit_mib"]
    return TrainingRequest(
        version=page.version,
        target=page.target,
        model_type=page.params.model_type.name,
        task=page.task,
        test_version=_test_version(request, values),
        hyperparameters=page.params.hyperparameters(),
        exclude=[column.name for column in page.columns if not column.used],
        validation=page.form.validation_spec(),
        seed=values["seed"],
        time_limit_s=None if limit_min is None else limit_min * 60,
        memory_limit_bytes=None if limit_mib is None else limit_mib * MIB,
        positive_class=values["positive_class"] or None,
        **wanted,
    )


def _test_version(request: HttpRequest, values: dict[str, Any]) -> DatasetVersion | None:
    if values["validation"] != "test_dataset":
        return None
    if not values["test_dataset"]:
        raise Invalid("Choose the dataset to test on.", field="test_dataset")
    dataset = get_dataset(request.user, int(values["test_dataset"]))
    return (
        DatasetVersion.objects.select_related("dataset")
        .filter(dataset=dataset, status=DatasetVersion.Status.READY)
        .order_by("-number")
        .first()
    )
