"""Byte sources: a bounded stream of clean UTF-8 out of a raw, gzipped or differently encoded file."""

import codecs
import gzip
import io
import zlib
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from charset_normalizer import from_bytes

from experiments.data.specs import EngineError, ReadOptions

GZIP_MAGIC = b"\x1f\x8b"
HEAD_BYTES = 4 * 1024**2
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_NON_WESTERN = [
    "cp1250", "cp1251", "cp1253", "cp1255", "cp1256", "koi8_r", "iso8859_5",
    "shift_jis", "cp932", "euc_jp", "gb18030", "big5", "euc_kr",
]  # fmt: skip


class RawSource:
    """A file opened for reading, inflated when its content is gzip, never beyond the byte limit."""

    def __init__(self, path: Path, options: ReadOptions) -> None:
        """Open `path`; only this open binary handle is ever given to a reader.

        Raises:
            EngineError: `empty_file` or `file_too_large`.
        """
        self.options = options
        self.size_bytes = path.stat().st_size
        self.n_expanded_bytes = 0
        if self.size_bytes == 0:
            raise EngineError("empty_file", "The file is empty (0 bytes).")
        if self.size_bytes > options.max_stored_bytes:
            raise EngineError(
                "file_too_large",
                f"The file has {self.size_bytes:,} bytes; the limit is "
                f"{options.max_stored_bytes:,}.",
                size_bytes=self.size_bytes,
                limit_bytes=options.max_stored_bytes,
            )
        self._file: BinaryIO = path.open("rb")
        magic = self._file.read(2)
        self._file.seek(0)
        self.is_gzip = magic == GZIP_MAGIC
        self._stream: BinaryIO | gzip.GzipFile = (
            gzip.GzipFile(fileobj=self._file, mode="rb") if self.is_gzip else self._file
        )

    def __enter__(self) -> Self:
        """Return the open source."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file."""
        self._stream.close()
        self._file.close()

    @property
    def fraction(self) -> float:
        """Share of the stored bytes that were consumed, 0 to 1."""
        return min(1.0, self._file.tell() / self.size_bytes)

    def read(self, n_bytes: int) -> bytes:
        """Return up to `n_bytes` expanded bytes, b"" at the end.

        Raises:
            EngineError: `broken_gzip` or `expanded_too_large`.
        """
        try:
            data = self._stream.read(n_bytes)
        except (EOFError, OSError, zlib.error) as error:
            if not self.is_gzip:
                raise
            raise EngineError(
                "broken_gzip",
                f"The gzip data are damaged or cut off near byte {self._file.tell():,}.",
                byte_offset=self._file.tell(),
            ) from error
        self.n_expanded_bytes += len(data)
        limit = self.options.max_expanded_bytes
        if self.n_expanded_bytes > limit:
            raise EngineError(
                "expanded_too_large",
                f"The file expands to more than {limit:,} bytes; reading was stopped there.",
                limit_bytes=limit,
            )
        return data

    def head(self) -> bytes:
        """Return the first expanded bytes and rewind."""
        pieces: list[bytes] = []
        missing = HEAD_BYTES
        while missing > 0 and (data := self.read(missing)):
            pieces.append(data)
            missing -= len(data)
        self.rewind()
        return b"".join(pieces)

    def rewind(self) -> None:
        """Start again at the first byte."""
        self._stream.seek(0)
        self.n_expanded_bytes = 0


class Utf8Source(io.RawIOBase):
    """The text of a RawSource as UTF-8 bytes without BOM, from `skip_bytes` on."""

    def __init__(self, raw: RawSource, encoding: str, skip_bytes: int = 0) -> None:
        """Rewind `raw` and decode it strictly as `encoding`."""
        super().__init__()
        raw.rewind()
        self.raw = raw
        self.encoding = encoding
        self.skip_bytes = skip_bytes
        self.is_plain = encoding in ("utf-8", "utf-8-sig", "ascii")
        self._decoder = codecs.getincrementaldecoder(encoding)("strict")
        self._n_raw_bytes = 0
        self._at_start = True
        self._at_end = False
        self._pending = b""
        while skip_bytes > 0:
            data = self.read(skip_bytes)
            if not data:
                break
            skip_bytes -= len(data)

    def readable(self) -> bool:
        """Say that this stream can be read."""
        return True

    def read(self, n_bytes: int = -1) -> bytes:
        """Return at most `n_bytes` of UTF-8, b"" at the end.

        Raises:
            EngineError: `undecodable` with the byte offset, or a limit of the raw source.
        """
        wanted = n_bytes if n_bytes > 0 else 1024**2
        while not self._pending and not self._at_end:
            self._pending = self._plain(wanted) if self.is_plain else self._transcoded(wanted)
        out, self._pending = self._pending[:wanted], self._pending[wanted:]
        return out

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer`; the standard library's buffered readers ask this way."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _plain(self, n_bytes: int) -> bytes:
        data = self.raw.read(n_bytes)
        self._at_end = not data
        if self._at_start and data.startswith(codecs.BOM_UTF8):
            data = data[3:]
        self._at_start = False
        return data

    def _transcoded(self, n_bytes: int) -> bytes:
        data = self.raw.read(n_bytes)
        self._at_end = not data
        n_waiting = len(self._decoder.getstate()[0])
        try:
            text = self._decoder.decode(data, final=self._at_end)
        except UnicodeDecodeError as error:
            offset = self._n_raw_bytes - n_waiting + error.start
            raise undecodable(self.encoding, offset) from error
        self._n_raw_bytes += len(data)
        if self._at_start and text:
            text = text.removeprefix("\ufeff")
            self._at_start = False
        try:
            return text.encode()
        except UnicodeEncodeError as error:
            raise undecodable(self.encoding, self._n_raw_bytes - len(data)) from error


def undecodable(encoding: str, offset: int) -> EngineError:
    """Return the error for a byte at `offset` that does not belong to `encoding`."""
    return EngineError(
        "undecodable",
        f"The file looks like {encoding}, but the bytes at offset {offset:,} are not valid "
        f"{encoding}. Choose the encoding yourself or repair the file.",
        encoding=encoding,
        byte_offset=offset,
    )


def detect_encoding(head: bytes, declared: str | None) -> str:
    """Return the encoding by BOM, by the pattern of NULs, or UTF-8 until proven otherwise.

    Raises:
        EngineError: `unknown_encoding` when the declared one does not exist.
    """
    if declared:
        try:
            return codecs.lookup(declared).name
        except LookupError as error:
            raise EngineError(
                "unknown_encoding", f"There is no encoding called “{declared}”."
            ) from error
    for bom, name in _BOMS:
        if head.startswith(bom):
            return name
    even, odd = head[:4096:2].count(0), head[1:4096:2].count(0)
    n_pairs = len(head[:4096]) // 2
    if n_pairs and odd > 0.4 * n_pairs and even < 0.1 * n_pairs:
        return "utf-16-le"
    if n_pairs and even > 0.4 * n_pairs and odd < 0.1 * n_pairs:
        return "utf-16-be"
    return "utf-8"


def first_invalid_utf8(raw: RawSource) -> int | None:
    """Return the offset of the first byte that is not UTF-8, None when all are. Reads the file."""
    raw.rewind()
    decoder = codecs.getincrementaldecoder("utf-8")("strict")
    n_bytes = 0
    while True:
        data = raw.read(HEAD_BYTES)
        n_waiting = len(decoder.getstate()[0])
        try:
            decoder.decode(data, final=not data)
        except UnicodeDecodeError as error:
            return n_bytes - n_waiting + error.start
        if not data:
            return None
        n_bytes += len(data)


def legacy_encoding(raw: RawSource, offset: int) -> str:
    """Return the most likely 8-bit or East Asian encoding of text that is not UTF-8.

    Args:
        raw: The file; it is rewound.
        offset: First byte that is not UTF-8; the guess looks at the text around it.

    Raises:
        EngineError: `undecodable` when the file is UTF-8 with a few broken bytes.
    """
    raw.rewind()
    to_skip = max(0, offset - 65_536)
    while to_skip > 0:
        to_skip -= len(raw.read(min(to_skip, HEAD_BYTES)))
    window = raw.read(262_144)
    raw.rewind()
    text = window.decode("utf-8", errors="replace")
    n_valid = sum(ord(char) > 127 and char != "\ufffd" for char in text)
    if n_valid > text.count("\ufffd"):
        raise undecodable("utf-8", offset)
    n_high = sum(byte > 127 for byte in window)
    n_letters = sum(chr(byte).isalpha() for byte in window if byte < 128)
    if n_high > 0.4 * (n_high + n_letters):
        # Only text made mostly of high bytes can be told apart from Western European reliably.
        best = from_bytes(window, cp_isolation=_NON_WESTERN).best()
        if best is not None:
            return codecs.lookup(best.encoding).name
    raw_has_undefined = any(byte in b"\x81\x8d\x8f\x90\x9d" for byte in window)
    return "iso8859-1" if raw_has_undefined else "cp1252"
