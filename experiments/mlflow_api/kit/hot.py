"""What hot endpoints give back, and how they run on Django's connection."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from experiments.mlflow_api.kit.answers import Answer, ok
from experiments.mlflow_api.kit.call import Call
from experiments.mlflow_api.kit.routes import Route
from experiments.tracking.database import Database
from platform_site.core.errors import DomainError
from platform_site.core.transactions import write_transaction


def nothing(result: Any) -> Answer:
    """Return ``{}`` whatever the result is."""
    return ok()


@dataclass(slots=True)
class Write:
    """A hot endpoint's wish to write; `answer` makes the answer of the result, after the commit."""

    operation: Any
    answer: Callable[[Any], Answer] = nothing


@dataclass(slots=True)
class InThread:
    """A hot endpoint's wish to be answered by a function that may block and use the ORM."""

    function: Callable[[], Any]


def run_on_django(route: Route, call: Call) -> Any:
    """Return the answer of a hot endpoint, run on Django's connection of this thread.

    Raises:
        DomainError: what the endpoint or the writer refuses.
    """
    result = route.endpoint(call, Database.of_django())
    if isinstance(result, InThread):
        return result.function()
    if not isinstance(result, Write):
        return result
    from experiments.tracking.writer import write_group

    with write_transaction():
        outcome = write_group(Database.of_django(), [result.operation])[0]
    if isinstance(outcome, DomainError):
        raise outcome
    return result.answer(outcome)
