"""Traces, runs and experiments that a call names: the object, or a refusal in the protocol's words."""

import re
from collections.abc import Iterable
from typing import Final

from experiments.mlflow_api.kit.call import Call
from experiments.models import Experiment, Run, Trace
from experiments.selectors.traces import traces_by_id
from platform_site.accounts.access import Need
from platform_site.core.errors import Invalid, NotFound

EXPERIMENT_ID: Final = re.compile(r"[0-9]{1,18}", re.ASCII)


def experiment_for(call: Call, number: str, need: Need = "read") -> Experiment:
    """Return the experiment of this number if the caller may do this with it.

    Raises:
        Invalid: for a text that is no number.
        NotFound: for strangers and for numbers that no experiment has, alike.
        Forbidden: when role or token do not suffice.
    """
    if not EXPERIMENT_ID.fullmatch(number):
        raise Invalid(f"Invalid experiment ID '{number[:100]}': it must be a whole number.")
    found = Experiment.objects.filter(pk=int(number)).first()
    if found is None or call.caller.role_in(found.project_id) is None:
        raise NotFound(f"No Experiment with id={number} exists")
    call.caller.require(found.project_id, need, "experiment")
    return found


def visible_experiments(call: Call, numbers: Iterable[str]) -> list[int]:
    """Return those of the experiments that the caller may see.

    Raises:
        Invalid: for a text that is no number.
    """
    texts = list(numbers)
    for text in texts:
        if not EXPERIMENT_ID.fullmatch(text):
            raise Invalid(f"Invalid experiment ID '{text[:100]}': it must be a whole number.")
    rows = Experiment.objects.filter(pk__in=[int(text) for text in texts])
    return [
        number
        for number, project_id in rows.values_list("pk", "project_id")
        if call.caller.role_in(project_id) is not None
    ]


def run_for(call: Call, uuid: str, need: Need = "read") -> Run:
    """Return the run of this id if the caller may do this with it.

    Raises:
        NotFound: for strangers and for ids that no run has, alike.
        Forbidden: when role or token do not suffice.
    """
    found = Run.objects.filter(uuid=uuid).only("id", "uuid", "project_id", "experiment_id").first()
    if found is None or call.caller.role_in(found.project_id) is None:
        raise NotFound(f"Run with id={uuid[:100]} not found")
    call.caller.require(found.project_id, need, "run")
    return found


def trace_for(call: Call, trace_id: str, need: Need = "read") -> Trace:
    """Return the trace of this id with its experiment if the caller may do this with it.

    Raises:
        NotFound: for strangers and for ids that no trace has, alike.
        Forbidden: when role or token do not suffice.
    """
    found = traces_by_id([trace_id])
    if not found or call.caller.role_in(found[0].experiment.project_id) is None:
        raise NotFound(f"Trace with ID '{trace_id[:100]}' not found.")
    call.caller.require(found[0].experiment.project_id, need, "trace")
    return found[0]


def traces_for(call: Call, trace_ids: list[str]) -> list[Trace]:
    """Return those of the traces that the caller may see, in the order asked for."""
    rows = traces_by_id(trace_ids)
    return [row for row in rows if call.caller.role_in(row.experiment.project_id) is not None]
