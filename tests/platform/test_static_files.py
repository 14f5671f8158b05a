"""Static files: whole, in part, unchanged, and without Django's warning about sync iterators."""

from pathlib import Path

from asgiref.sync import sync_to_async
from django.test import AsyncClient, AsyncRequestFactory, Client

from platform_site.core.static_files import StaticFilesMiddleware

ROOT = Path(__file__).resolve().parents[2]
ADDRESS = "/static/site/favicon.svg"
BYTES = (ROOT / "static" / "site" / "favicon.svg").read_bytes()


async def body(answer) -> bytes:
    return b"".join([chunk async for chunk in answer.streaming_content])


async def test_a_static_file_is_streamed_whole_under_asgi():
    answer = await AsyncClient().get(ADDRESS)
    assert answer.is_async  # a sync iterator would be read into memory, with a warning
    assert await body(answer) == BYTES
    assert answer.headers["Content-Length"] == str(len(BYTES))
    assert answer.headers["Content-Type"].startswith("image/svg+xml")


async def test_a_part_of_a_static_file_is_that_part():
    answer = await AsyncClient().get(ADDRESS, headers={"Range": "bytes=3-9"})
    assert answer.status_code == 206
    assert await body(answer) == BYTES[3:10]


async def test_an_unchanged_static_file_is_not_sent_again():
    whole = await AsyncClient().get(ADDRESS)
    since = {"If-Modified-Since": whole.headers["Last-Modified"]}
    assert (await AsyncClient().get(ADDRESS, headers=since)).status_code == 304
    whole.close()


async def test_the_head_of_a_static_file_is_streamed_as_nothing():
    request = AsyncRequestFactory().head(ADDRESS)  # the test client would take the body away
    answer = await sync_to_async(StaticFilesMiddleware(lambda _: None))(request)
    assert answer.is_async
    assert await body(answer) == b""
    assert answer.headers["Content-Length"] == str(len(BYTES))


def test_a_static_file_is_served_under_wsgi_too():
    assert b"".join(Client().get(ADDRESS).streaming_content) == BYTES


async def test_a_static_file_that_does_not_exist_is_not_found(db):
    assert (await AsyncClient().get("/static/site/nothing.svg")).status_code == 404
