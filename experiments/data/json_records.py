"""The flat objects of a JSON text, one after the other: records, lines or columns, streamed."""

import io
import json
from collections.abc import Iterator
from typing import Any

from experiments.data.progress import Beat
from experiments.data.sources import RawSource, Utf8Source, first_invalid_utf8, undecodable
from experiments.data.specs import EngineError

CHUNK_CHARS = 1024**2
MAX_VALUE_CHARS = 64 * 1024**2


class _DuplicateKeyError(ValueError):
    """An object names one key twice."""


class Records:
    """The flat objects of a JSON text, one after the other; may be read several times."""

    def __init__(self, raw: RawSource, encoding: str, beat: Beat) -> None:
        self.raw, self.encoding, self.beat = raw, encoding, beat
        self.file_format = "json_lines"
        self.n_nan = 0
        self._decoder = json.JSONDecoder(
            object_pairs_hook=self._object, parse_constant=self._constant
        )

    def _constant(self, word: str) -> float | None:
        if word == "NaN":
            self.n_nan += 1
            return None
        return float(word)

    @staticmethod
    def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) < len(pairs):
            keys = [key for key, _ in pairs]
            raise _DuplicateKeyError(next(key for key in keys if keys.count(key) > 1))
        return made

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield each record, checked to be a flat object."""
        self.n_nan, self.file_format = 0, "json_lines"
        source = Utf8Source(self.raw, self.encoding)
        text = io.TextIOWrapper(io.BufferedReader(source), encoding="utf-8", newline="")
        row = 0
        try:
            values = self._values(text)
            for value in values:
                if row == 0 and self.file_format != "json_records" and _is_columns(value):
                    if next(values, None) is not None:
                        _flat(value, 1)
                    self.file_format = "json_columns"
                    yield from _rows_of(value)
                    return
                row += 1
                yield _flat(value, row)
        except _DuplicateKeyError as error:
            raise EngineError(
                "duplicate_key",
                f"Row {row + 1:,} names the key “{error}” twice.",
                row=row + 1,
                column=str(error),
            ) from error
        except RecursionError as error:
            raise EngineError(
                "nested_value", f"Row {row + 1:,} is nested too deeply.", row=row + 1
            ) from error
        except UnicodeDecodeError as error:
            raise undecodable(self.encoding, first_invalid_utf8(self.raw) or 0) from error

    def _values(self, text: io.TextIOWrapper) -> Iterator[Any]:
        scan = _Scan(text, self.beat, self.raw)
        scan.skip_blanks()
        is_array = scan.peek() == "["
        if is_array:
            self.file_format = "json_records"
            scan.take(1)
            scan.skip_blanks()
            if scan.peek() == "]":
                scan.take(1)
                scan.expect_end()
                return
        while True:
            scan.skip_blanks()
            if not is_array and not scan.peek():
                return
            yield scan.value(self._decoder)
            if not is_array:
                continue
            scan.skip_blanks()
            mark = scan.peek()
            if mark not in (",", "]"):
                raise scan.error("“,” or “]” is missing between records")
            scan.take(1)
            if mark == "]":
                scan.expect_end()
                return


class _Scan:
    """A window over the text in which the decoder takes one value after the other."""

    def __init__(self, text: io.TextIOWrapper, beat: Beat, raw: RawSource) -> None:
        self.text, self.beat, self.raw = text, beat, raw
        self.buffer, self.at, self.n_bytes_before, self.row = "", 0, 0, 1

    def fill(self) -> bool:
        """Read more; return whether there was any."""
        done = self.buffer[: self.at]
        more = self.text.read(max(CHUNK_CHARS, len(self.buffer) - self.at))
        self.n_bytes_before += len(done.encode("utf-8", "surrogatepass"))
        self.buffer, self.at = self.buffer[self.at :] + more, 0
        self.beat(self.raw.fraction, "reading")
        return bool(more)

    def skip_blanks(self) -> None:
        while True:
            while self.at < len(self.buffer) and self.buffer[self.at] in " \t\r\n":
                self.at += 1
            if self.at < len(self.buffer) or not self.fill():
                return

    def peek(self) -> str:
        return self.buffer[self.at : self.at + 1]

    def take(self, n_chars: int) -> None:
        self.at += n_chars

    def value(self, decoder: json.JSONDecoder) -> Any:
        while True:
            try:
                value, end = decoder.raw_decode(self.buffer, self.at)
            except json.JSONDecodeError as error:
                is_cut = error.pos > len(self.buffer) - 100 or error.msg.startswith("Unterminated")
                too_long = len(self.buffer) - self.at > MAX_VALUE_CHARS
                n_ahead = error.pos - self.at
                if not is_cut or too_long or not self.fill():
                    self.at = min(self.at + n_ahead, len(self.buffer))
                    raise self.error(error.msg) from error
            except _DuplicateKeyError:
                raise
            except ValueError as error:
                raise self.error(str(error).split(";")[0]) from error
            else:
                if end == len(self.buffer) and not isinstance(value, (dict, list)) and self.fill():
                    continue
                self.at = end
                self.row += 1
                return value

    def expect_end(self) -> None:
        self.skip_blanks()
        if self.peek():
            raise self.error("more text follows after the end of the list")

    def error(self, reason: str) -> EngineError:
        offset = self.n_bytes_before + len(self.buffer[: self.at].encode("utf-8", "surrogatepass"))
        return EngineError(
            "invalid_json",
            f"Invalid JSON in record {self.row:,} at byte {offset:,}: {reason}.",
            row=self.row,
            byte_offset=offset,
        )


def _is_columns(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and len(value) > 0
        and all(isinstance(cells, list) for cells in value.values())
    )


def _rows_of(columns: dict[str, list[Any]]) -> Iterator[dict[str, Any]]:
    lengths = {key: len(cells) for key, cells in columns.items()}
    if len(set(lengths.values())) > 1:
        raise EngineError(
            "ragged_columns",
            "The columns have different lengths: "
            + ", ".join(f"“{key}” {n:,}" for key, n in list(lengths.items())[:5]),
        )
    for row, cells in enumerate(zip(*columns.values(), strict=True), 1):
        yield _flat(dict(zip(columns, cells, strict=True)), row)


def _flat(value: Any, row: int) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise EngineError(
            "not_records",
            f"Record {row:,} is a {_json_name(value)}; a list of flat objects is needed, such as "
            '[{"a": 1, "b": "x"}].',
            row=row,
        )
    for key, cell in value.items():
        if isinstance(cell, dict | list):
            raise EngineError(
                "nested_value",
                f"Row {row:,}, column “{key[:80]}” holds a {_json_name(cell)}; only flat values "
                "(text, numbers, booleans, null) can be read.",
                row=row,
                column=key,
            )
    return value


def _json_name(value: Any) -> str:
    names = {dict: "nested object", list: "list", str: "text", bool: "boolean", type(None): "null"}
    return names.get(type(value), "number")
