"""What clients may say on a socket: five short JSON messages, at a bounded rate."""

import dataclasses
import json
import time
from typing import Any, Literal

from platform_site.core.errors import DomainError, Invalid

MAX_MESSAGE_CHARS = 4096
MAX_PING_CHARS = 200
MAX_NUMBER = 2**63 - 1
MESSAGES_PER_S = 20.0
BURST = 100.0  # fifty subscriptions at once are usual
NOT_TEXT, TOO_LARGE, TOO_FAST = 1003, 1009, 1008
FAILED, RESTART, TRY_LATER, TOO_SLOW = 1011, 1012, 1013, 4408
Verb = Literal["token", "subscribe", "unsubscribe", "ping"]
VERBS: tuple[Verb, ...] = ("token", "subscribe", "unsubscribe", "ping")


class Violation(DomainError):
    """The client breaks a limit; the connection ends with this close code."""

    code = "violation"

    def __init__(self, message: str, close_code: int) -> None:
        super().__init__(message)
        self.close_code = close_code


@dataclasses.dataclass(frozen=True, slots=True)
class Command:
    """One understood message; `value` is a text but for pings, which come back as they are."""

    verb: Verb
    value: Any
    after: int | None = None


class Budget:
    """Twenty messages a second, a hundred in a burst."""

    def __init__(self) -> None:
        self._left = BURST
        self._at_s = time.monotonic()

    def spend(self) -> None:
        """Count one message.

        Raises:
            Violation: close code 1008.
        """
        now_s = time.monotonic()
        self._left = min(BURST, self._left + (now_s - self._at_s) * MESSAGES_PER_S)
        self._at_s = now_s
        if self._left < 1:
            raise Violation(f"At most {MESSAGES_PER_S:.0f} messages a second.", TOO_FAST)
        self._left -= 1


def parse(text: str | None) -> Command:
    """Return the command in a message.

    Raises:
        Violation: binary (1003) or longer than 4,096 characters (1009).
        Invalid: not JSON, or not one of the five messages; the socket stays open.
    """
    if text is None:
        raise Violation("Messages are JSON texts.", NOT_TEXT)
    if len(text) > MAX_MESSAGE_CHARS:
        raise Violation(f"At most {MAX_MESSAGE_CHARS} characters a message.", TOO_LARGE)
    try:
        message = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise Invalid("The message is not JSON.") from None
    verbs = [verb for verb in VERBS if isinstance(message, dict) and verb in message]
    if len(verbs) != 1:
        raise Invalid("Say one of subscribe, unsubscribe, ping, token.")
    return _command(verbs[0], message)


def _command(verb: Verb, message: dict[str, Any]) -> Command:
    value = message[verb]
    if verb == "ping":
        if len(json.dumps(value)) > MAX_PING_CHARS:
            raise Invalid(f"ping: at most {MAX_PING_CHARS} characters.", field="ping")
        return Command(verb, value)
    if not isinstance(value, str) or not value:
        raise Invalid(f"{verb}: a text is needed.", field=verb)
    after = message.get("after")
    if after is not None and (type(after) is not int or not 0 <= after <= MAX_NUMBER):
        raise Invalid("after: a whole number from 0 is needed.", field="after", topic=value[:120])
    return Command(verb, value, after)


def _refuse(name: str) -> float:
    raise ValueError(name)
