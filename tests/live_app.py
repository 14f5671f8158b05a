"""An ASGI application for tests of the live path alone: sockets, streams, polling, `test:` topics.

The product's application with only the routes of the event log, so that these tests depend on no
other room. Needs DATA_DIR; ``python -m tests.live_app <command>`` helps other processes:

    prepare           migrate and print a token of alice
    write <n> <ms> <bytes>   publish values 1…n to test:1, five a transaction, pausing in between
    follow <n>        follow test:1 without the safety look and print n numbers
    stamp <n> <s>     publish one event a transaction, print the clock after each commit
"""

import asyncio
import json
import os
import sys
import time

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.live_settings")

import django

django.setup()

from channels.routing import ProtocolTypeRouter  # noqa: E402  # after set-up
from django.core.asgi import get_asgi_application  # noqa: E402

from platform_site.events import tailer, topics  # noqa: E402
from platform_site.events.follower import Follower  # noqa: E402
from platform_site.routing import websocket_application  # noqa: E402
from tests.events_help import may_follow, say  # noqa: E402

topics.register("test", may_follow)
application = ProtocolTypeRouter(
    {"http": get_asgi_application(), "websocket": websocket_application}
)


def prepare() -> None:
    from django.core.management import call_command

    from platform_site.accounts.models import ApiToken
    from tests.people import person

    call_command("migrate", verbosity=0)
    _, secret = ApiToken.objects.create(user=person("alice"), name="test")
    print(secret)


def write(count: int, pause_ms: int, size: int) -> None:
    for first in range(1, count + 1, 5):
        say("test:1", *range(first, min(first + 5, count + 1)), text="x" * size)
        time.sleep(pause_ms / 1000)


def stamp(count: int, pause_s: float) -> None:
    """Publish one event a transaction and print the wall clock after each commit."""
    stamps = []
    for value in range(1, count + 1):
        say("test:1", value)
        stamps.append(time.time())
        time.sleep(pause_s)
    print("\n".join(map(repr, stamps)))


def follow(count: int) -> None:
    """Follow test:1 with nothing but the wake-up adapter, and print the numbers that came."""
    tailer.SAFETY_S = 3600.0
    print(*asyncio.run(first_numbers(count)))


async def first_numbers(count: int) -> list[int]:
    follower = Follower(tailer.Tailer(), lambda: sys.exit("too slow"))
    follower.subscribe("test:1", 0)
    print("following", flush=True)
    numbers: list[int] = []
    async for message in follower.messages():
        numbers += [event["seq"] for event in json.loads(message.text)["events"]]
        if len(numbers) >= count:
            break
    return numbers


if __name__ == "__main__":
    if sys.argv[1] == "follow":
        follow(int(sys.argv[2]))
    elif sys.argv[1] == "stamp":
        stamp(int(sys.argv[2]), float(sys.argv[3]))
    elif sys.argv[1] == "prepare":
        prepare()
    else:
        write(*(int(argument) for argument in sys.argv[2:5]))
