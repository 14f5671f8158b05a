"""Filters and orders of searches: a client's text in, clauses out; the same for every search.

A filter is ``clause AND clause …``; a clause is ``field operator value``. There is nothing else: no
OR, no parentheses, no functions, so a filter can never say more than the clauses it consists of.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NoReturn

from platform_site.core.errors import Invalid

MAX_FILTER_CHARS: Final = 20_000
MAX_CLAUSES: Final = 200
MAX_ORDERS: Final = 20
MAX_ORDER_CHARS: Final = 1_000
MAX_NUMBER_CHARS: Final = 100
MAX_PATTERN_CHARS: Final = 200
# Of "%" only: "_" stands for one character, costs nothing and is frequent in names.
MAX_WILDCARDS: Final = 10  # clients that load a table ask with eight
_EXCERPT_CHARS: Final = 80

Value = str | int | float | tuple[str, ...] | None
COMPARISONS: Final = frozenset({"=", "!=", ">", ">=", "<", "<="})
PATTERNS: Final = frozenset({"LIKE", "ILIKE"})
LISTS: Final = frozenset({"IN", "NOT IN"})
ABSENCE: Final = frozenset({"IS NULL", "IS NOT NULL"})

_SPACE = re.compile(r"\s*")
_NAME = re.compile(r"\w+")
_KEY = re.compile(r"[\w.]+")
_QUOTED_NAME = re.compile(r'`[^`]+`|"[^"]+"')
_QUOTED_KEY = re.compile(r"""`[^`]+`|"[^"]+"|'[^']+'""")
_SYMBOLS = re.compile(r"[=!<>]+")
_WORDS = re.compile(
    r"(?:NOT\s+IN|IN|ILIKE|LIKE|IS\s+NOT\s+NULL|IS\s+NULL)(?!\w)", re.IGNORECASE | re.ASCII
)
# A doubled quote does not end a text, and both quotes belong to it: there are no escapes.
_TEXT = re.compile(r"""'(?:[^']|'')*+'|"(?:[^"]|"")*+\"""")
_NUMBER = re.compile(r"-?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?(?![\w.])", re.ASCII)
_AND = re.compile(r"AND(?!\w)", re.IGNORECASE)
_DIRECTION = re.compile(r"(?:ASC|DESC)(?!\w)", re.IGNORECASE)
_NOT_SUPPORTED = re.compile(r"(OR|NOT)(?!\w)|[();]|--|/\*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Field:
    """The left side of a clause: ``metrics.loss`` has a prefix, ``run_id`` has none."""

    prefix: str | None
    key: str


@dataclass(frozen=True, slots=True)
class Clause:
    """One condition, with the words it was written in for messages about it."""

    field: Field
    operator: str
    value: Value
    place: str


@dataclass(frozen=True, slots=True)
class Order:
    """One key to sort by."""

    field: Field
    ascending: bool
    place: str


def parse_filter(text: str | None) -> list[Clause]:
    """Return the clauses of a filter; none for an empty one.

    Raises:
        Invalid: naming the clause that does not fit the grammar or a limit.
    """
    if text is None or not text.strip():
        return []
    if len(text) > MAX_FILTER_CHARS:
        raise Invalid(f"The filter is longer than {MAX_FILTER_CHARS} characters.", field="filter")
    refuse_unstorable(text, "filter")
    scanner = _Scanner(text, "filter")
    clauses = [_clause(scanner)]
    while not scanner.at_end():
        if scanner.take(_AND) is None:
            scanner.fail_after_clause()
        if len(clauses) == MAX_CLAUSES:
            raise Invalid(f"The filter has more than {MAX_CLAUSES} clauses.", field="filter")
        clauses.append(_clause(scanner))
    return clauses


def parse_orders(texts: Sequence[str]) -> list[Order]:
    """Return the keys to sort by, in their order.

    Raises:
        Invalid: naming the key that does not fit the grammar or a limit.
    """
    if len(texts) > MAX_ORDERS:
        raise Invalid(f"order_by has more than {MAX_ORDERS} keys.", field="order_by")
    return [_order(text) for text in texts]


def _order(text: str) -> Order:
    if len(text) > MAX_ORDER_CHARS:
        raise Invalid(
            f"A key of order_by is longer than {MAX_ORDER_CHARS} characters.", field="order_by"
        )
    refuse_unstorable(text, "order_by")
    scanner = _Scanner(text, "order_by")
    scanner.begin_clause()
    field = _field(scanner)
    direction = scanner.take(_DIRECTION)
    if not scanner.at_end():
        scanner.fail("expected ASC, DESC or nothing after the key")
    ascending = direction is None or direction.upper() == "ASC"
    return Order(field, ascending, scanner.place())


def _clause(scanner: _Scanner) -> Clause:
    scanner.begin_clause()
    field = _field(scanner)
    operator = _operator(scanner)
    if operator in ABSENCE:
        value: Value = None
    elif operator in LISTS:
        value = _list(scanner)
    else:
        value = _value(scanner)
        if operator in PATTERNS:
            _check_pattern(scanner, value)
    return Clause(field, operator, value, scanner.place())


def _field(scanner: _Scanner) -> Field:
    quoted = scanner.take(_QUOTED_NAME)
    if quoted is not None:
        return Field(None, quoted[1:-1])
    scanner.refuse_unsupported()
    name = scanner.take(_NAME)
    if name is None:
        scanner.fail("expected the name of a field, for example metrics.loss")
    if not scanner.take_char("."):
        scanner.refuse_unquoted_rest()
        return Field(None, name)
    key = scanner.take_here(_QUOTED_KEY)
    if key is not None:
        return Field(name, key[1:-1])
    key = scanner.take_here(_KEY)
    if key is None:
        scanner.fail(f"expected a key after '{name}.'")
    scanner.refuse_unquoted_rest()
    return Field(name, key)


def _operator(scanner: _Scanner) -> str:
    symbols = scanner.take(_SYMBOLS)
    if symbols is not None:
        if symbols not in COMPARISONS:
            scanner.fail(f"'{symbols}' is no operator; there are = != > >= < <=")
        return symbols
    words = scanner.take(_WORDS)
    if words is None:
        scanner.fail("expected an operator after the field")
    return " ".join(words.upper().split())


def _value(scanner: _Scanner) -> str | int | float:
    text = scanner.take(_TEXT)
    if text is not None:
        return text[1:-1]
    number = scanner.take(_NUMBER)
    if number is None:
        scanner.fail("expected a number, or a text in quotes")
    if len(number) > MAX_NUMBER_CHARS:
        scanner.fail(f"a number has at most {MAX_NUMBER_CHARS} characters")
    return _as_number(number)


def number_of(text: str) -> int | float | None:
    """Return the number that the whole text is, None if it is none."""
    if len(text) > MAX_NUMBER_CHARS or _NUMBER.fullmatch(text) is None:
        return None
    return _as_number(text)


def _as_number(text: str) -> int | float:
    return float(text) if set(text) & set(".eE") else int(text)


def _list(scanner: _Scanner) -> tuple[str, ...]:
    if scanner.take_char("(", skip_space=True) is False:
        scanner.fail("expected a list such as ('a', 'b') after IN")
    values: list[str] = []
    # A comma may stand before the end: Python writes a list of one as ('a',).
    while not (values and scanner.take_char(")", skip_space=True)):
        text = scanner.take(_TEXT)
        if text is None:
            scanner.fail("a list holds texts in quotes, for example ('a', 'b')")
        values.append(text[1:-1])
        if not scanner.take_char(",", skip_space=True):
            if not scanner.take_char(")", skip_space=True):
                scanner.fail("expected ',' or ')' in the list")
            break
    return tuple(values)


def _check_pattern(scanner: _Scanner, value: Value) -> None:
    if not isinstance(value, str):
        scanner.fail("LIKE and ILIKE need a text in quotes")
    if len(value) > MAX_PATTERN_CHARS:
        scanner.fail(f"a pattern has at most {MAX_PATTERN_CHARS} characters")
    if value.count("%") > MAX_WILDCARDS:
        scanner.fail(f"a pattern has at most {MAX_WILDCARDS} wildcards '%'")


def refuse_unstorable(text: str, field: str) -> None:
    """Refuse what no stored text can contain and what a database would choke on.

    Raises:
        Invalid: for a NUL character or half of a surrogate pair.
    """
    if "\x00" in text:
        raise Invalid(f"The text of {field} holds a NUL character.", field=field)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Invalid(f"The text of {field} is not valid Unicode.", field=field) from None


class _Scanner:
    """A position in a text, and where the clause began that is being read."""

    def __init__(self, text: str, what: str) -> None:
        self._text = text
        self._what = what
        self._at = 0
        self._began = 0
        self._number = 0

    def begin_clause(self) -> None:
        """Remember where the next clause begins."""
        self._skip_space()
        self._began = self._at
        self._number += 1

    def at_end(self) -> bool:
        """Whether nothing but space is left."""
        self._skip_space()
        return self._at == len(self._text)

    def take(self, pattern: re.Pattern[str]) -> str | None:
        """Return what matches behind any space, and move behind it."""
        self._skip_space()
        return self.take_here(pattern)

    def take_here(self, pattern: re.Pattern[str]) -> str | None:
        """Return what matches at this very place, and move behind it."""
        found = pattern.match(self._text, self._at)
        if found is None:
            return None
        self._at = found.end()
        return found.group()

    def take_char(self, char: str, *, skip_space: bool = False) -> bool:
        """Move behind the character if it comes next."""
        if skip_space:
            self._skip_space()
        if not self._text.startswith(char, self._at):
            return False
        self._at += len(char)
        return True

    def place(self) -> str:
        """Return the clause as far as it was read, for messages."""
        words = self._text[self._began : self._at].strip()
        if len(words) > _EXCERPT_CHARS:
            words = words[:_EXCERPT_CHARS] + "…"
        noun = "Clause" if self._what == "filter" else "Key"
        return f"{noun} {self._number} of {self._what}, {words}" if words else f"{self._what}"

    def refuse_unquoted_rest(self) -> None:
        """Refuse a key that goes on with a character that needs quotes."""
        following = self._text[self._at : self._at + 1]
        if following and not following.isspace() and following not in "=!<>":
            self._at += 1
            self.fail("a key with other characters than letters, digits, '_' and '.' needs `…`")

    def refuse_unsupported(self) -> None:
        """Refuse the words of larger languages by name."""
        found = _NOT_SUPPORTED.match(self._text, self._at)
        if found is not None and not self._text.startswith(".", found.end()):
            self.fail_with_rest(f"'{found.group()}' is not part of the language")

    def fail_after_clause(self) -> NoReturn:
        """Refuse what follows a complete clause without AND."""
        self.refuse_unsupported()
        self.fail_with_rest("expected AND or the end behind it")

    def fail_with_rest(self, reason: str) -> NoReturn:
        """Refuse, quoting also what comes next."""
        self._at = min(self._at + _EXCERPT_CHARS // 2, len(self._text))
        self.fail(reason)

    def fail(self, reason: str) -> NoReturn:
        """Refuse the clause."""
        raise Invalid(f"{self.place()}: {reason}.", field=self._what)

    def _skip_space(self) -> None:
        found = _SPACE.match(self._text, self._at)
        if found is not None:
            self._at = found.end()
