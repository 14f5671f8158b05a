"""Counting and digesting sets, whatever order their members come in."""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from experiments.importing.records import Point

DIGEST_BYTES: Final = 16
_MODULUS: Final = 1 << (8 * DIGEST_BYTES)
_POINT: Final = struct.Struct("<qqd")


@dataclass(slots=True)
class Tally:
    """How many members a set has, and the sum of their digests."""

    count: int = 0
    total: int = 0

    def add(self, member: bytes) -> None:
        """Count one member."""
        digest = hashlib.blake2b(member, digest_size=DIGEST_BYTES).digest()
        self.total = (self.total + int.from_bytes(digest, "little")) % _MODULUS
        self.count += 1

    def add_texts(self, *parts: object) -> None:
        """Count one member made of several texts, whose borders count too."""
        self.add(b"".join(b"%d:%b" % (len(raw), raw) for raw in (str(p).encode() for p in parts)))

    def add_points(self, points: Iterable[Point]) -> None:
        """Count points; every NaN is the same NaN."""
        for key, step, timestamp_ms, value in points:
            number = math.nan if math.isnan(value) else value
            self.add(_POINT.pack(step, timestamp_ms, number) + key.encode())

    def merge(self, other: Tally) -> None:
        """Count all members of another set, which shares none with this one."""
        self.count += other.count
        self.total = (self.total + other.total) % _MODULUS

    @property
    def digest(self) -> str:
        """The digest as hexadecimal text."""
        return self.total.to_bytes(DIGEST_BYTES, "little").hex()


Tallies = dict[str, Tally]
"""Kind of thing (points, params, …) to its tally."""
