"""Column plans: what type a column of words has, and the loss-free conversion of words to it."""

import re
from dataclasses import dataclass, replace

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

ARROW_TYPES: dict[str, pa.DataType] = {
    "integer": pa.int64(),
    "number": pa.float64(),
    "boolean": pa.bool_(),
    "datetime": pa.timestamp("us"),
    "category": pa.string(),
    "text": pa.string(),
}
TRUE_WORDS = ["true", "True", "TRUE", "yes", "Yes", "YES"]
FALSE_WORDS = ["false", "False", "FALSE", "no", "No", "NO"]
_WORD_PAIRS = (("true", "false"), ("yes", "no"))
_LOOSE_TRUE = ["true", "yes", "y", "t", "1", "1.0"]
_LOOSE_FALSE = ["false", "no", "n", "f", "0", "0.0"]
_INTEGER = r"^[+-]?\d+$"
_ZERO_PADDED = r"^[+-]?0\d+$"
_PLAIN = r"(?i)^[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|inf|infinity|nan)$"
_US = r"^[+-]?\d{1,3}(?:,\d{3})+(?:\.\d*)?$"
_EU = r"^[+-]?(?:\d{1,3}(?:[. \x{00a0}\x{202f}']\d{3})+|\d+)?(?:,\d+)?(?:[eE][+-]?\d+)?$"
_ISO = r"^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?)?$"
_ISO_ZONE = r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?(?:Z|[+-]\d{2}:?\d{2})$"
_SYMBOLS = "$€£¥%"
_DECORATION = rf"^([+-]?)\s*[{_SYMBOLS}]?\s*([+-]?)(.*?)\s*[{_SYMBOLS}]?$"
DATE_FORMATS = (
    "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%Y/%m/%d", "%d-%m-%Y", "%m-%d-%Y", "%d %b %Y", "%d-%b-%Y",
    "%b %d, %Y",
)  # fmt: skip
_DATE_LIKE = re.compile(r"\d{1,4}[-/. ](\d{1,2}|[A-Za-z]{3})[-/. ,]+\d{1,4}([T ]|$)|[A-Za-z]{3} \d")
_TIME_SUFFIXES = ("", " %H:%M", " %H:%M:%S")


class MisfitError(Exception):
    """A word does not fit the plan of its column; `index` is its place in the array."""

    def __init__(self, reason: str, index: int, value: str) -> None:
        """Remember where and why."""
        super().__init__(reason)
        self.reason = reason
        self.index = index
        self.value = value


@dataclass(frozen=True, slots=True)
class ColumnPlan:
    """How one column of words becomes typed values.

    `kind` is a column type or "unknown" (only nulls so far). `format`: number "" | "us" | "eu";
    datetime "iso" | "iso-utc" | a strptime pattern; boolean its pair of words.
    """

    kind: str
    format: str = ""
    is_decorated: bool = False
    is_trimmed: bool = False
    is_declared: bool = False
    unit: str = ""

    @property
    def arrow_type(self) -> pa.DataType:
        """The stored type."""
        return ARROW_TYPES.get(self.kind, pa.string())

    @property
    def direct_type(self) -> pa.DataType:
        """The type the CSV reader may parse itself; string where we convert afterwards.

        Integers are always read as words first: the reader would drop leading zeros (00123).
        """
        if self.is_declared or self.is_decorated or self.is_trimmed:
            return pa.string()
        direct = {"number": "", "boolean": self.format, "datetime": "iso"}
        return self.arrow_type if direct.get(self.kind) == self.format else pa.string()


UNKNOWN = ColumnPlan("unknown")
TEXT = ColumnPlan("text")


def trim(array: pa.Array, null_words: pa.Array) -> pa.Array:
    """Return `array` without surrounding blanks, null words as null."""
    array = pc.utf8_trim_whitespace(array)
    return pc.if_else(pc.is_in(array, null_words), pa.scalar(None, pa.string()), array)


def all_match(array: pa.Array, pattern: str) -> bool:
    """Return whether every non-null word matches `pattern`."""
    return bool(pc.all(pc.match_substring_regex(array, pattern)).as_py() in (True, None))


def _any_match(array: pa.Array, pattern: str) -> bool:
    return bool(pc.any(pc.match_substring_regex(array, pattern)).as_py())


def infer_plan(
    array: pa.Array, *, prefer_eu: bool = False, null_words: tuple[str, ...] = ()
) -> ColumnPlan:
    """Return the narrowest plan that fits every word of `array`.

    Args:
        array: String array, nulls already null.
        prefer_eu: Read the ambiguous "1,234" as 1.234 (decimal comma) instead of 1234.
        null_words: Words that mean missing once surrounding blanks are gone.
    """
    words = array.drop_null()
    if len(words) == 0:
        return UNKNOWN
    is_trimmed = _looks_padded(words)
    if is_trimmed:
        words = trim(words, pa.array(null_words, pa.string())).drop_null()
        if len(words) == 0:
            return replace(UNKNOWN, is_trimmed=True)
    plan = _boolean(words) or _number(words, prefer_eu=prefer_eu) or _datetime(words) or TEXT
    return replace(plan, is_trimmed=is_trimmed)


def _looks_padded(words: pa.Array) -> bool:
    trimmed = pc.utf8_trim_whitespace(words)
    n_padded = pc.sum(pc.not_equal(trimmed, words)).as_py() or 0
    return bool(n_padded >= 0.9 * len(words))


def _boolean(words: pa.Array) -> ColumnPlan | None:
    distinct = {word.lower() for word in pc.unique(words.slice(0, 1000)).to_pylist()}
    for pair in _WORD_PAIRS:
        if distinct <= set(pair) and {w.lower() for w in pc.unique(words).to_pylist()} <= set(pair):
            return ColumnPlan("boolean", "/".join(pair))
    return None


def _number(words: pa.Array, *, prefer_eu: bool) -> ColumnPlan | None:
    if not _any_match(words, r"\d"):
        return None
    if all_match(words, _INTEGER):
        is_safe = not _any_match(words, _ZERO_PADDED) and _fits_int64(words)
        return ColumnPlan("integer") if is_safe else None
    if all_match(words, _PLAIN):
        return None if has_long_integer(words) else ColumnPlan("number")
    undecorated, unit = _undecorated(words)
    style = _number_style(undecorated, prefer_eu=prefer_eu)
    if style is None:
        return None
    return ColumnPlan("number", style, is_decorated=bool(unit), unit=unit)


def _undecorated(words: pa.Array) -> tuple[pa.Array, str]:
    found = pc.unique(pc.replace_substring_regex(words.slice(0, 1000), rf"[^{_SYMBOLS}]", ""))
    symbols = {symbol for symbol in found.to_pylist() if symbol}
    if len(symbols) != 1 or len(unit := symbols.pop()) != 1:
        return words, ""
    return _strip_decoration(words), unit


def _strip_decoration(words: pa.Array) -> pa.Array:
    return pc.replace_substring_regex(words, _DECORATION, r"\1\2\3")


def _number_style(words: pa.Array, *, prefer_eu: bool) -> str | None:
    if all_match(words, _PLAIN):
        return ""
    is_us = all_match(words, f"(?:{_US})|(?:{_PLAIN})")
    is_eu = _any_match(words, r"\d") and all_match(words, _EU) and not _any_match(words, r"^[+-]?$")
    if is_us and is_eu:
        return "eu" if prefer_eu else "us"
    return "us" if is_us else "eu" if is_eu else None


def _fits_int64(words: pa.Array) -> bool:
    try:
        pc.cast(pc.utf8_ltrim(words, "+"), pa.int64())
    except pa.ArrowInvalid:
        return False
    return True


def has_long_integer(words: pa.Array) -> bool:
    """Return whether some integer has more than 16 digits, which float64 could not hold exactly."""
    return _any_match(words, r"^[+-]?[1-9]\d{16,}$")


def _datetime(words: pa.Array) -> ColumnPlan | None:
    first = words[0].as_py()
    if not _DATE_LIKE.match(first):
        return None
    for name, pattern in (("iso", _ISO), ("iso-utc", _ISO_ZONE)):
        if all_match(words, pattern):
            plan = ColumnPlan("datetime", name)
            return plan if _converts(words, plan) else None
    fitting = [
        ColumnPlan("datetime", date + time)
        for date in DATE_FORMATS
        for time in _TIME_SUFFIXES
        if _parses(first, date + time) and _converts(words, ColumnPlan("datetime", date + time))
    ]
    # Two fits mean that day and month cannot be told apart: better text than a wrong date.
    return fitting[0] if len(fitting) == 1 else None


def date_formats(words: pa.Array) -> list[str]:
    """Return every known date format (ISO included) that fits all of `words`."""
    plan = _datetime(words) if len(words) else None
    if plan:
        return [plan.format]
    if not len(words) or not _DATE_LIKE.match(words[0].as_py()):
        return []
    formats = [date + time for date in DATE_FORMATS for time in _TIME_SUFFIXES]
    return [text for text in formats if _converts(words, ColumnPlan("datetime", text))]


def _parses(word: str, pattern: str) -> bool:
    return bool(pd.notna(pd.to_datetime(word, format=pattern, errors="coerce")))


def _converts(words: pa.Array, plan: ColumnPlan) -> bool:
    try:
        convert(words, plan)
    except MisfitError:
        return False
    return True


def convert(array: pa.Array, plan: ColumnPlan) -> pa.Array:
    """Return `array` (strings, nulls already null) in the plan's stored type.

    Raises:
        MisfitError: A word does not fit; nothing is ever turned into null silently.
    """
    if plan.kind in ("text", "category"):
        return array
    if plan.kind == "unknown":
        if array.null_count < len(array):
            raise _misfit(array, pc.is_valid(array), "no type was known for this column")
        return array
    if plan.kind == "boolean":
        return _to_boolean(array, plan)
    if plan.kind == "datetime":
        return _to_datetime(array, plan)
    return _to_number(array, plan)


def _misfit(array: pa.Array, mask: pa.Array, reason: str) -> MisfitError:
    index = pc.index(mask, value=True).as_py()
    return MisfitError(reason, index, str(array[max(index, 0)].as_py()))


def _to_boolean(array: pa.Array, plan: ColumnPlan) -> pa.Array:
    lower = pc.utf8_lower(array)
    if plan.is_declared and not plan.format:
        yes, no = _LOOSE_TRUE, _LOOSE_FALSE
    else:
        yes, no = (["true", "yes"], ["false", "no"])
    is_true, is_false = pc.is_in(lower, pa.array(yes)), pc.is_in(lower, pa.array(no))
    bad = pc.and_(pc.is_valid(array), pc.invert(pc.or_(is_true, is_false)))
    if pc.any(bad).as_py():
        raise _misfit(array, bad, "not a boolean word")
    return pc.if_else(pc.is_valid(array), is_true, pa.scalar(None, pa.bool_()))


def _to_number(array: pa.Array, plan: ColumnPlan) -> pa.Array:
    words = _strip_decoration(array) if plan.is_decorated else array
    if plan.kind == "integer" and not plan.is_declared:
        padded = pc.match_substring_regex(words, _ZERO_PADDED)
        if pc.any(padded).as_py():
            raise _misfit(array, padded, "leading zeros")
        try:
            return pc.cast(words, pa.int64())
        except pa.ArrowInvalid:
            pass  # a plus sign, a word or an overflow: told apart below
    if plan.format == "us":
        _refuse(array, words, f"(?:{_US})|(?:{_PLAIN})")
        words = pc.replace_substring(words, ",", "")
    elif plan.format == "eu":
        _refuse(array, words, _EU)
        words = pc.replace_substring_regex(words, r"[. \x{00a0}\x{202f}']", "")
        words = pc.replace_substring(words, ",", ".")
    words = pc.utf8_ltrim(words, "+")
    if plan.kind == "integer":
        _refuse(array, words, _INTEGER)
    else:
        _refuse(array, words, _PLAIN)
        huge = pc.match_substring_regex(words, r"^-?[1-9]\d{16,}$")
        if not plan.is_declared and pc.any(huge).as_py():
            raise _misfit(array, huge, "integer too long")
    try:
        return pc.cast(words, plan.arrow_type)
    except pa.ArrowInvalid as error:
        if plan.kind == "integer":
            over = pc.greater_equal(pc.abs(pc.cast(words, pa.float64())), 2.0**63)
            raise _misfit(array, over, "beyond 64 bits") from error
        raise MisfitError("not a number", 0, str(error)) from error


def _refuse(array: pa.Array, words: pa.Array, pattern: str) -> None:
    bad = pc.invert(pc.match_substring_regex(words, pattern))
    if pc.any(bad).as_py():
        raise _misfit(array, bad, "not a number")


def _to_datetime(array: pa.Array, plan: ColumnPlan) -> pa.Array:
    if plan.format in ("iso", "iso-utc"):
        pattern = _ISO if plan.format == "iso" else _ISO_ZONE
        bad = pc.invert(pc.match_substring_regex(array, pattern))
        if pc.any(bad).as_py():
            raise _misfit(array, bad, "not a date")
        try:
            if plan.format == "iso":
                return pc.cast(array, pa.timestamp("us"))
            return pc.cast(pc.cast(array, pa.timestamp("us", "UTC")), pa.timestamp("us"))
        except pa.ArrowInvalid as error:
            raise MisfitError("not a date", 0, str(error)) from error
    parsed = pd.to_datetime(pd.Series(array.to_pandas()), format=plan.format, errors="coerce")
    out = pa.Array.from_pandas(parsed, type=pa.timestamp("us"))
    bad = pc.and_(pc.is_valid(array), pc.is_null(out))
    if pc.any(bad).as_py():
        raise _misfit(array, bad, "not a date")
    return out


def widened(plan: ColumnPlan, array: pa.Array, misfit: MisfitError) -> ColumnPlan:
    """Return the next wider plan after `misfit`; text is the end of every ladder.

    Each step accepts everything that the step before accepted, so earlier rows stay converted
    without loss.
    """
    if plan.kind == "unknown":
        return infer_plan(array, prefer_eu=plan.format == "eu")
    if misfit.reason in ("leading zeros", "beyond 64 bits", "integer too long"):
        return replace(TEXT, is_trimmed=plan.is_trimmed)
    if plan.kind == "integer":
        return replace(plan, kind="number")
    if plan.kind == "number" and not plan.format and not plan.is_decorated:
        return replace(plan, format="us")
    return replace(TEXT, is_trimmed=plan.is_trimmed)


def declared_plan(type_: str, sample: pa.Array, guess: ColumnPlan) -> ColumnPlan:
    """Return the plan for a column whose type the user declared."""
    if type_ in ("text", "category"):
        return ColumnPlan(type_, is_declared=True, is_trimmed=guess.is_trimmed)
    if type_ in ("integer", "number"):
        keeps = guess.kind in ("integer", "number")
        fmt = guess.format if keeps else ""
        return ColumnPlan(
            type_, fmt, is_declared=True, is_trimmed=guess.is_trimmed,
            is_decorated=keeps and guess.is_decorated, unit=guess.unit,
        )  # fmt: skip
    if type_ == "datetime":
        formats = date_formats(sample.drop_null().slice(0, 1000))
        return ColumnPlan(type_, formats[0] if formats else "iso", is_declared=True)
    return ColumnPlan(type_, is_declared=True)
