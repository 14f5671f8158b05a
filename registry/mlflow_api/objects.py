"""Which registered model or version a call means, if the caller may do this with it.

A name belongs to a project: the one that a header names, otherwise the caller's own (the oldest in
which it may write); a name that is not there is looked for in the other projects.
"""

from typing import Final

from experiments.mlflow_api.kit.call import PROJECT_HEADERS, Call
from platform_site.accounts.access import Need
from platform_site.accounts.callers import Caller
from platform_site.core.errors import Conflict, Forbidden, Invalid, NotFound
from platform_site.core.names import model_name
from registry.models import ModelVersion, RegisteredModel
from registry.selectors import protocol_versions

MAX_NUMBER: Final = 2**31 - 1
MAX_NUMBER_CHARS: Final = 20


def project_of(call: Call, need: Need = "read") -> int:
    """Return the number of the project in which new models are made and models are searched.

    Raises:
        NotFound: for a named project that the caller may not see.
        Forbidden: when the role is too small.
    """
    if _names_project(call):
        return call.project(need)
    number = _own_project(call.caller)
    call.caller.require(number, need, "project")
    return number


def model_of(call: Call, name: str, need: Need = "read") -> RegisteredModel:
    """Return the model of this name, in any spelling of it.

    Raises:
        NotFound: for strangers and unknown names, alike.
        Conflict: when the caller's own project has none and several others have one.
        Forbidden: for members whose role is too small.
    """
    model = _found(call, name)
    if model is None:
        raise NotFound(f"Registered Model with name={name[:300]} not found")
    call.caller.require(model.project_id, need, "registered model")
    return model


def version_of(call: Call, name: str, number: str, need: Need = "read") -> ModelVersion:
    """Return the version as clients see it.

    Raises:
        Invalid: when the number is none.
        NotFound: for strangers, unknown names and unknown numbers.
        Conflict: when the caller's own project has no such model and several others have one.
        Forbidden: for members whose role is too small.
    """
    wanted = version_number(number)
    model = _found(call, name)
    version = None
    if model is not None and 0 < wanted <= MAX_NUMBER:
        version = protocol_versions().filter(model=model, number=wanted).first()
    if model is None or version is None:
        raise NotFound(f"Model Version (name={name[:300]}, version={number}) not found")
    call.caller.require(model.project_id, need, "model version")
    return version


def version_number(text: str) -> int:
    """Return the number of a version, which clients send as text.

    Raises:
        Invalid: when it is no whole number.
    """
    digits = text.strip().removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= MAX_NUMBER_CHARS):
        raise Invalid(
            f"Parameter 'version' must be an integer, got '{text[:100]}'.", field="version"
        )
    return int(text)


def _found(call: Call, name: str) -> RegisteredModel | None:
    try:
        clean = model_name(name)
    except Invalid:
        return None
    models = RegisteredModel.objects.named(clean)
    if _names_project(call):
        return models.filter(project_id=call.project()).first()
    found = list(models.filter(project_id__in=call.caller.visible_projects())[:50])
    if len(found) <= 1:
        return found[0] if found else None
    own_id = _own_project(call.caller)
    own = [model for model in found if model.project_id == own_id]
    if not own:
        raise Conflict(
            f"Several of your projects have a registered model named {clean}: name the project in"
            " the header X-MLFLOW-WORKSPACE.",
            code="ambiguous_name",
        )
    return own[0]


def _names_project(call: Call) -> bool:
    return any(call.headers.get(header, "").strip() for header in PROJECT_HEADERS)


def _own_project(caller: Caller) -> int:
    try:
        return caller.default_project("write")
    except Forbidden:
        return caller.default_project("read")
