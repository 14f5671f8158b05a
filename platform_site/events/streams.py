"""Server-sent events and polling: two skins of the log over HTTP, for any topic.

`stream_topic` and `poll_topic` are what other rooms' views call; both refuse strangers.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from typing import Any

from django.db import Error
from django.http import StreamingHttpResponse
from rest_framework.renderers import BaseRenderer

from platform_site.core.errors import DomainError, Invalid, TooMany
from platform_site.core.json_parser import CleanJSONRenderer
from platform_site.events.follower import MAX_TOPICS, Follower, Outgoing, error_message
from platform_site.events.hub import Line, hub
from platform_site.events.identity import Visitor, check_address, of_request
from platform_site.events.reader import FRAME_EVENTS, Batch, as_objects, read_after
from platform_site.events.topics import check_may_follow

MAX_STREAM_BYTES = 4 * 1024 * 1024
STALL_S = 20.0
MAX_POLL_EVENTS = 1000
RETRY_MS = 1000
MAX_NUMBER = 2**63 - 1
PLACE = re.compile(r"(?P<topic>[^:;,\s]+:[^;,\s]+?)(?::(?P<after>\d{1,19}))?")
Places = dict[str, int | None]


class EventStreamRenderer(BaseRenderer):
    """Lets DRF views accept ``text/event-stream``; what it renders itself are refusals, as JSON."""

    media_type = "text/event-stream"
    format = "event-stream"
    charset = "utf-8"

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the refusal as JSON; streams themselves are not rendered."""
        return CleanJSONRenderer().render(data, "application/json", renderer_context)


def stream_topic(request: Any, topic: str) -> StreamingHttpResponse:
    """Return the endless SSE answer for one topic, resuming at ``Last-Event-ID`` or ``?after=``.

    The id may be the one of the stream (``run:7:12``) or the number of an event alone (``12``).
    Call it from a synchronous view (it makes queries) of an authenticated request; a DRF view
    needs ``renderer_classes = [EventStreamRenderer, CleanJSONRenderer]``.

    Args:
        request: Django's or DRF's request.
        topic: for example ``run:7``.

    Raises:
        NotFound: the person may not follow the topic, or it does not exist.
        Invalid: ``after`` is not a number, or a token stands in the address.
    """
    after = _after(request)
    last_id = request.headers.get("Last-Event-ID", "").strip()
    if last_id.isascii() and last_id.isdigit() and len(last_id) < 19:
        after = int(last_id)  # a script may know the event's number only
    return stream_topics(request, {topic: after})


def stream_topics(request: Any, places: Places) -> StreamingHttpResponse:
    """Return the endless SSE answer for several topics; see `stream_topic`.

    Raises:
        TooMany: when the person has too many live connections already.
    """
    check_address(request.META.get("QUERY_STRING", ""))
    visitor = of_request(request)
    for topic in places:
        check_may_follow(request.user, topic)
    resumed = parse_places(re.split(r"[;,\s]+", request.headers.get("Last-Event-ID", "")[:8000]))
    places = {topic: resumed.get(topic, after) for topic, after in places.items()}
    response = StreamingHttpResponse(
        _stream(visitor, places), content_type="text/event-stream; charset=utf-8"
    )
    response.headers["Cache-Control"] = "no-store, no-transform"
    response.headers["X-Accel-Buffering"] = "no"
    return response


def poll_topic(request: Any, topic: str) -> dict[str, Any]:
    """Return ``{"events": [{seq, kind, data, at}…], "next": n}`` after ``?after=n``.

    At most ``?limit=`` (1,000) events; ask again with ``after=next``. Without ``after``, or with
    0, it begins with the oldest event kept. Two queries.

    Raises:
        NotFound: the person may not follow the topic, or it does not exist.
        TooOld: events after this number are no longer kept (status 410).
        Invalid: ``after`` or ``limit`` is not a number in range.
    """
    check_address(request.META.get("QUERY_STRING", ""))
    of_request(request)
    check_may_follow(request.user, topic)
    limit = _number(request.GET.get("limit"), "limit", default=FRAME_EVENTS) or FRAME_EVENTS
    batch = _good(read_after({topic: _after(request) or None}, limit=min(limit, MAX_POLL_EVENTS)))
    return {"events": as_objects(batch[topic]), "next": batch[topic].last}


def poll_topics(request: Any, places: Places) -> dict[str, Any]:
    """Return ``{"frames": [{topic, from, to, events}…], "next": {topic: n}}`` for several topics.

    Raises:
        NotFound: for the first topic that the person may not follow.
        TooOld: events after one of the numbers are no longer kept (status 410).
    """
    check_address(request.META.get("QUERY_STRING", ""))
    of_request(request)
    for topic in places:
        check_may_follow(request.user, topic)
    batches = _good(read_after(places))
    frames = [
        {"topic": b.topic, "from": b.first, "to": b.last, "events": as_objects(b)}
        for b in batches.values()
        if b.texts
    ]
    return {"frames": frames, "next": {b.topic: b.last for b in batches.values()}}


def requested_places(request: Any) -> Places:
    """Return the topics of ``?topic=run:7:12&topic=project:1:4`` with the numbers seen.

    Raises:
        Invalid: for none, more than 50, or something that is not ``topic`` or ``topic:number``.
    """
    texts = request.GET.getlist("topic")
    places = parse_places(texts)
    if not texts:
        raise Invalid("Name at least one topic: ?topic=run:7:0", field="topic")
    if len(places) != len(texts):
        raise Invalid("Each topic once, as topic or topic:number.", field="topic")
    if len(places) > MAX_TOPICS:
        raise Invalid(f"At most {MAX_TOPICS} topics on one connection.", field="topic")
    return places


def parse_places(texts: list[str]) -> Places:
    """Return topic -> number of texts such as ``run:7:12``; what is none of them is left out."""
    places: Places = {}
    for text in texts:
        match = PLACE.fullmatch(text)
        if match is not None and int(match["after"] or 0) <= MAX_NUMBER:
            places[match["topic"]] = int(match["after"]) if match["after"] else None
    return places


def _after(request: Any) -> int | None:
    return _number(request.GET.get("after"), "after", default=None)


def _number(text: str | None, field: str, *, default: int | None) -> int | None:
    if text is None or text == "":
        return default
    if not (text.isascii() and text.isdigit()) or len(text) > 19 or int(text) > MAX_NUMBER:
        raise Invalid(f"{field}: a whole number from 0 is needed.", field=field)
    return int(text)


def _good(batches: dict[str, Batch]) -> dict[str, Batch]:
    for batch in batches.values():
        if batch.too_old:
            raise batch.error()
    return batches


async def _stream(visitor: Visitor, places: Places) -> AsyncIterator[str]:
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("an event stream needs an event loop")
    live = hub()
    farewells: list[DomainError] = []
    line: Line | None = None

    def cut() -> None:
        task.cancel()  # works even while the server waits for a client that does not read

    def end(error: DomainError) -> None:
        farewells.append(error)
        if line is not None:
            line.follower.close()

    try:
        line = live.open(visitor, on_slow=cut, end=end)
    except TooMany as error:
        yield _gone(error)
        return
    opened = line
    # Nobody closes the inner generators of an answer that was cancelled; the task's end is sure.
    task.add_done_callback(lambda _: live.close(opened))
    try:
        for topic, after in places.items():
            line.follower.subscribe(topic, after)
        yield f"retry: {RETRY_MS}\n\n"
        async for text in _guarded(line.follower, task):
            yield text
        for farewell in farewells:
            yield _gone(farewell)
    except Error:
        return  # the client comes back with its last id
    finally:
        live.close(line)


async def _guarded(follower: Follower, task: "asyncio.Task[Any]") -> AsyncIterator[str]:
    """Yield SSE texts; end after 4 MiB (the browser resumes), cancel when nobody takes them.

    daphne buffers without a limit, hence the bound on what one answer can leave behind; uvicorn
    waits inside ``send``, hence the timer.
    """
    loop = asyncio.get_running_loop()
    sent_bytes = 0
    async for message in follower.messages():
        text = _event(message, follower)
        stalled = loop.call_later(STALL_S, task.cancel)
        try:
            yield text
        finally:
            stalled.cancel()
        sent_bytes += len(text)
        if sent_bytes > MAX_STREAM_BYTES or not follower.places:
            return


def _event(message: Outgoing, follower: Follower) -> str:
    if message.kind == "events":
        return f"id: {resume_id(follower)}\nevent: events\ndata: {message.text}\n\n"
    if message.kind == "reset":  # "gone" is what the browser module hears, "reset" says why
        return f"event: reset\ndata: {message.text}\n\nevent: gone\ndata: {message.text}\n\n"
    return f"event: {message.kind}\ndata: {message.text}\n\n"


def resume_id(follower: Follower) -> str:
    """Return the client's place in all its topics, as one id: ``run:7:12;project:1:4``."""
    seen = ((topic, place.seen) for topic, place in follower.places.items())
    return ";".join(f"{topic}:{number}" for topic, number in seen if number is not None)


def _gone(error: DomainError) -> str:
    return f"event: gone\ndata: {error_message(error.code, error.message, **error.details)}\n\n"
