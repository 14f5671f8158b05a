"""Who calls, remembered for two seconds per credential: for the event loop."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from experiments.mlflow_api.kit.identity import identify, keyed_digest, read_credential
from platform_site.accounts.callers import Caller

KEPT_S: Final = 2.0
MAX_KEPT: Final = 1000

InThread = Callable[..., Awaitable[Any]]


class CallerCache:
    """Callers by keyed digest of their credential; a refusal is never remembered."""

    def __init__(self, in_thread: InThread, clock: Callable[[], float] = time.monotonic) -> None:
        self._in_thread = in_thread
        self._clock = clock
        self._kept: dict[bytes, tuple[Caller, float]] = {}
        self._asked: dict[bytes, asyncio.Future[Caller]] = {}

    def known(self, headers: Mapping[str, str]) -> Caller | None:
        """Return the caller if this credential was good a moment ago."""
        header = headers.get("authorization")
        if header is None:
            return None
        kept = self._kept.get(keyed_digest(header))
        return kept[0] if kept is not None and self._clock() < kept[1] else None

    async def find(self, headers: Mapping[str, str], address: str | None, path: str) -> Caller:
        """Return the caller, asked from the database once however many calls wait.

        Raises:
            Unauthenticated: for a credential that is no good.
        """
        header = headers.get("authorization")
        credential = read_credential(header)
        key = keyed_digest(header or "")
        asked = self._asked.get(key)
        if asked is not None:
            return await asyncio.shield(asked)
        asked = asyncio.ensure_future(self._in_thread(identify, credential, address, path))
        self._asked[key] = asked
        try:
            caller = await asyncio.shield(asked)
        finally:
            self._asked.pop(key, None)
        self._keep(key, caller)
        return caller

    def _keep(self, key: bytes, caller: Caller) -> None:
        self._kept.pop(key, None)
        while len(self._kept) >= MAX_KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[key] = (caller, self._clock() + KEPT_S)
