"""Receiving a file: chunk by chunk to the store, flat memory, nothing left of a cut upload."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from assets.storage import BlobWriter, StoredBytes
from experiments.mlflow_api.kit.call import Call
from experiments.mlflow_api.kit.errors import ProtocolError
from experiments.mlflow_api.kit.messages import ClientLeft, Receive
from platform_site.core.errors import DomainError, Invalid

BUFFER_BYTES: Final = 1024 * 1024


def announced_bytes(call: Call) -> int | None:
    """Return the length that the client announced; None for a chunked body."""
    text = call.headers.get("content-length", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None


def refuse_body(call: Call, limit_bytes: int, error: DomainError) -> None:
    """Refuse a body by what its headers say, before it is read.

    Raises:
        DomainError: `error`, when the announced length is above the limit.
        ProtocolError: for a compressed body (415): it would be stored as it is.
    """
    refuse_compressed(call)
    announced = announced_bytes(call)
    if announced is not None and announced > limit_bytes:
        raise error


def refuse_compressed(call: Call) -> None:
    """Refuse a compressed body: it would be stored as it is.

    Raises:
        ProtocolError: with status 415.
    """
    if call.headers.get("content-encoding", "identity").strip().lower() not in {"", "identity"}:
        raise ProtocolError(
            "INVALID_PARAMETER_VALUE", "Compressed bodies are not accepted here.", status=415
        )


def refuse_cut(call: Call, arrived_bytes: int) -> None:
    """Refuse a body that is not as long as announced.

    Raises:
        Invalid: then.
    """
    announced = announced_bytes(call)
    if announced is not None and announced != arrived_bytes:
        raise Invalid(f"The body was cut: {arrived_bytes} of {announced} bytes arrived.")


async def receive_file(
    call: Call,
    receive: Receive,
    begin: Callable[[], BlobWriter],
    settle: Callable[[StoredBytes], Any],
) -> Any:
    """Write the body as it comes and return what `settle` makes of the stored bytes.

    Small bodies cost one trip to a thread; of large ones one megabyte is in memory at a time.

    Raises:
        ClientLeft: when the body will never be whole.
        Invalid: when it is shorter than announced.
    """
    buffer = bytearray()
    ended = False
    while not ended and len(buffer) < BUFFER_BYTES:
        ended = await _more(receive, buffer)
    if ended:
        return await call.run(_all_at_once, call, bytes(buffer), begin, settle)
    writer = await call.run(begin)
    with writer:
        while not ended:
            await call.run(writer.write, bytes(buffer))
            buffer.clear()
            while not ended and len(buffer) < BUFFER_BYTES:
                ended = await _more(receive, buffer)
        return await call.run(_finish, call, writer, bytes(buffer), settle)


async def _more(receive: Callable[[], Awaitable[Any]], buffer: bytearray) -> bool:
    """Add the next piece to the buffer; return whether it was the last."""
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientLeft
    buffer += message.get("body", b"")
    return not message.get("more_body", False)


def _all_at_once(
    call: Call,
    body: bytes,
    begin: Callable[[], BlobWriter],
    settle: Callable[[StoredBytes], Any],
) -> Any:
    with begin() as writer:
        return _finish(call, writer, body, settle)


def _finish(
    call: Call, writer: BlobWriter, rest: bytes, settle: Callable[[StoredBytes], Any]
) -> Any:
    writer.write(rest)
    refuse_cut(call, writer.size_bytes)
    return settle(writer.finish())
