"""Sending a file from disk: flat memory under ASGI and WSGI, always as a harmless attachment."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO, Any

from django.core.handlers.asgi import ASGIRequest
from django.http import FileResponse, HttpRequest, StreamingHttpResponse
from django.utils.http import content_disposition_header

CHUNK_BYTES = 1024 * 1024
HARMLESS = "sandbox; default-src 'none'"


def file_answer(
    request: HttpRequest,
    path: Path,
    *,
    file_name: str,
    content_type: str = "application/octet-stream",
    delete: bool = False,
) -> StreamingHttpResponse:
    """Return the file as a download.

    Django reads a whole sync iterator into memory under ASGI, hence the two ways.

    Args:
        request: The plain Django request that is answered.
        path: A file of ours; its name is never a client's text.
        file_name: What the browser should call it.
        content_type: Declared, never sniffed.
        delete: Remove the file's name once it is open; its bytes go when the answer is sent.

    Raises:
        FileNotFoundError: when there is no such file.
    """
    file = path.open("rb")
    size_bytes = path.stat().st_size
    if delete:
        path.unlink()
    answer: StreamingHttpResponse
    if isinstance(request, ASGIRequest):
        answer = StreamingHttpResponse(_chunks(file))
    else:
        answer = FileResponse(file)
    answer.headers["Content-Type"] = content_type
    answer.headers["Content-Length"] = str(size_bytes)
    answer.headers["Content-Disposition"] = (
        content_disposition_header(as_attachment=True, filename=file_name) or "attachment"
    )
    answer.headers["Content-Security-Policy"] = HARMLESS
    answer.headers["X-Content-Type-Options"] = "nosniff"
    return answer


async def _chunks(file: IO[Any]) -> AsyncIterator[bytes]:
    try:
        while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
            yield chunk
    finally:
        file.close()
