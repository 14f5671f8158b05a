"""Static files by WhiteNoise, streamed the way ASGI wants it."""

import asyncio
from collections.abc import AsyncIterator
from typing import IO, Any

from django.core.handlers.asgi import ASGIRequest
from django.http import FileResponse, HttpRequest
from whitenoise.middleware import WhiteNoiseMiddleware
from whitenoise.responders import StaticFile

CHUNK_BYTES = 256 * 1024


class StaticFilesMiddleware(WhiteNoiseMiddleware):  # type: ignore[misc]  # untyped library
    """WhiteNoise answers with a sync iterator; Django reads that whole into memory under ASGI."""

    @staticmethod
    def serve(static_file: StaticFile, request: HttpRequest) -> FileResponse:
        """Return WhiteNoise's answer with its file read piece by piece in a thread."""
        answer: FileResponse = WhiteNoiseMiddleware.serve(static_file, request)
        if isinstance(request, ASGIRequest):
            answer.streaming_content = _chunks(answer.file_to_stream)
        return answer


async def _chunks(file: IO[Any] | None) -> AsyncIterator[bytes]:
    """Yield the file's bytes; the answer closes it. None where only headers are sent."""
    if file is None:
        return
    while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
        yield chunk
