"""The bytes of a `FileAnswer`, piece by piece."""

from collections.abc import Generator
from typing import Final

from experiments.mlflow_api.kit.answers import FileAnswer

PIECE_BYTES: Final = 256 * 1024


def pieces(answer: FileAnswer) -> Generator[bytes, None, None]:
    """Yield the answer's bytes; a file that got shorter ends early."""
    ranges = [(0, answer.size_bytes)] if answer.ranges is None else answer.ranges
    with answer.path.open("rb") as file:
        for first, length in ranges:
            file.seek(first)
            left = length
            while left > 0 and (piece := file.read(min(PIECE_BYTES, left))):
                left -= len(piece)
                yield piece
