"""One request of a client of the tracking protocol, free of any web framework."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar
from urllib.parse import parse_qs

from platform_site.accounts.access import Need
from platform_site.accounts.callers import Caller
from platform_site.accounts.models import User
from platform_site.core.errors import Invalid, Unauthenticated

PROJECT_HEADERS: Final = ("x-mlflow-workspace", "x-assay-project")
MAX_QUERY_FIELDS: Final = 1000

Result = TypeVar("Result")
RunInThread = Callable[..., Awaitable[Any]]
"""Runs a function that blocks (ORM, files) away from the event loop, with its arguments."""


@dataclass(slots=True)
class Call:
    """A request; names of headers in lower case, path parameters decoded."""

    method: str
    path: str
    path_params: Mapping[str, str] = field(default_factory=dict)
    query_string: bytes = b""
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    known_caller: Caller | None = None
    client_address: str | None = None
    request_id: str = ""
    in_thread: RunInThread | None = None
    is_folded: bool = False
    may_take_long: bool = False
    _query: dict[str, list[str]] | None = None

    @property
    def caller(self) -> Caller:
        """Return who calls.

        Raises:
            Unauthenticated: on a public route, for nobody.
        """
        if self.known_caller is None:
            raise Unauthenticated("Sign in first.")
        return self.known_caller

    @property
    def user(self) -> User:
        """Return the caller's account, for services; one query, not on the event loop."""
        return User.objects.get(pk=self.caller.user_id)

    @property
    def query(self) -> dict[str, list[str]]:
        """Return the parameters of the address, each as a list.

        Raises:
            Invalid: for too many, for NUL and for what is not UTF-8.
        """
        if self._query is None:
            self._query = _parse_query(self.query_string)
        return self._query

    def project(self, need: Need = "read") -> int:
        """Return the number of the project named by a header, or the caller's default.

        Raises:
            NotFound: for a project that does not exist or that the caller may not see.
            Forbidden: when the role is too small, or there is no project to fall back to.
            Invalid: when two headers name different projects.
        """
        named = {self.caller.project_named(name) for name in self._project_names()}
        if len(named) > 1:
            raise Invalid("The headers name different projects.")
        number = named.pop() if named else self.caller.default_project(need)
        self.caller.require(number, need, "project")
        return number

    def _project_names(self) -> list[str]:
        values = (self.headers.get(header, "").strip() for header in PROJECT_HEADERS)
        return [value for value in values if value]

    async def run(self, function: Callable[..., Result], *args: Any) -> Result:
        """Return what a blocking function returns, run away from the event loop."""
        if self.in_thread is None:
            raise RuntimeError("only calls of streaming routes can run functions in threads")
        result: Result = await self.in_thread(function, *args)
        return result


def _parse_query(raw: bytes) -> dict[str, list[str]]:
    if not raw:
        return {}
    try:
        query = parse_qs(
            raw.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MAX_QUERY_FIELDS,
        )
    except ValueError as error:
        raise Invalid("The parameters of the address are too many or not UTF-8.") from error
    if any("\x00" in value for values in query.values() for value in values):
        raise Invalid("A parameter of the address holds NUL.")
    return query
