"""What a search may ask for: its fields, their types and the operators each type takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from typing import Final

from experiments.tracking.search.grammar import (
    ABSENCE,
    COMPARISONS,
    LISTS,
    PATTERNS,
    Clause,
    Field,
    Order,
    Value,
    number_of,
    parse_filter,
    parse_orders,
)
from platform_site.core.errors import Invalid

EQUALITY: Final = frozenset({"=", "!="})
TEXT_OPERATORS: Final = EQUALITY | PATTERNS
LISTED_TEXT_OPERATORS: Final = TEXT_OPERATORS | LISTS
LABEL_OPERATORS: Final = TEXT_OPERATORS | ABSENCE
NUMBER_OPERATORS: Final = COMPARISONS


class Kind(Enum):
    """Where a value lives."""

    ATTRIBUTE = "attribute"
    METRIC = "metric"
    PARAM = "param"
    TAG = "tag"
    DATASET = "dataset"


@dataclass(frozen=True, slots=True)
class FieldType:
    """Which operators a field takes; texts or numbers, and if those may stand in quotes."""

    operators: frozenset[str]
    is_number: bool = False
    may_be_quoted: bool = False


# Clients repeat few short filters; long ones hold lists of ids and come once.
REMEMBERED_CHARS: Final = 500

TEXT: Final = FieldType(TEXT_OPERATORS)
LISTED_TEXT: Final = FieldType(LISTED_TEXT_OPERATORS)
LABEL: Final = FieldType(LABEL_OPERATORS)
LISTED_LABEL: Final = FieldType(LABEL_OPERATORS | LISTS)
NUMBER: Final = FieldType(NUMBER_OPERATORS, is_number=True)
QUOTED_NUMBER: Final = FieldType(NUMBER_OPERATORS, is_number=True, may_be_quoted=True)


@dataclass(frozen=True, slots=True, eq=False)
class Vocabulary:
    """The fields of one search.

    `attributes` and `datasets` are closed sets; `labels` says which kinds take any key.
    """

    prefixes: Mapping[str, Kind]
    attributes: Mapping[str, FieldType]
    labels: Mapping[Kind, FieldType] = field(default_factory=dict)
    datasets: Mapping[str, FieldType] = field(default_factory=dict)
    synonyms: Mapping[str, str] = field(default_factory=dict)
    ordered: frozenset[str] = frozenset()
    ordered_kinds: frozenset[Kind] = frozenset()


@dataclass(frozen=True, slots=True)
class Condition:
    """A clause whose field is known, whose operator is allowed and whose value fits."""

    kind: Kind
    key: str
    operator: str
    value: Value
    is_number: bool


@dataclass(frozen=True, slots=True)
class Sort:
    """A key to sort by that the search knows."""

    kind: Kind
    key: str
    ascending: bool


def conditions_of(text: str | None, vocabulary: Vocabulary) -> Sequence[Condition]:
    """Return the filter's conditions.

    Raises:
        Invalid: naming the clause that the search does not take.
    """
    if not text:
        return ()
    read = _known_conditions if len(text) <= REMEMBERED_CHARS else _conditions
    return read(text, vocabulary)


def _conditions(text: str, vocabulary: Vocabulary) -> tuple[Condition, ...]:
    return tuple(_condition(clause, vocabulary) for clause in parse_filter(text))


_known_conditions = lru_cache(maxsize=512)(_conditions)


def sorts_of(texts: Sequence[str], vocabulary: Vocabulary) -> Sequence[Sort]:
    """Return the keys to sort by.

    Raises:
        Invalid: naming the key that the search does not take or that comes twice.
    """
    if not texts:
        return ()
    read = _known_sorts if sum(map(len, texts)) <= REMEMBERED_CHARS else _sorts
    return read(tuple(texts), vocabulary)


def _sorts(texts: tuple[str, ...], vocabulary: Vocabulary) -> tuple[Sort, ...]:
    orders = parse_orders(texts)
    sorts = tuple(sort_of(order, vocabulary) for order in orders)
    names = [(sort.kind, sort.key) for sort in sorts]
    for order, name in zip(orders, names, strict=True):
        if names.count(name) > 1:
            raise Invalid(f"{order.place}: this key comes twice.", field="order_by")
    return sorts


_known_sorts = lru_cache(maxsize=512)(_sorts)


def _condition(clause: Clause, vocabulary: Vocabulary) -> Condition:
    kind, key = _resolve(clause.field, clause.place, vocabulary, "filter")
    field_type = _type_of(kind, key, vocabulary)
    if field_type is None:
        known = vocabulary.datasets if kind is Kind.DATASET else vocabulary.attributes
        raise Invalid(
            f"{clause.place}: there is no {kind.value} '{key[:100]}'; there are {_listed(known)}.",
            field="filter",
        )
    if clause.operator not in field_type.operators:
        raise Invalid(
            f"{clause.place}: this field takes {_listed(field_type.operators)},"
            f" not {clause.operator}.",
            field="filter",
        )
    value = _checked_value(clause, field_type)
    return Condition(kind, key, clause.operator, value, field_type.is_number)


def _checked_value(clause: Clause, field_type: FieldType) -> Value:
    is_number = field_type.is_number
    if clause.operator in ABSENCE or clause.operator in LISTS:
        return clause.value
    if field_type.may_be_quoted and isinstance(clause.value, str):
        number = number_of(clause.value)
        if number is not None:
            return number
    if is_number and isinstance(clause.value, str):
        raise Invalid(
            f"{clause.place}: this field is compared with a number without quotes.", field="filter"
        )
    if not is_number and not isinstance(clause.value, str):
        raise Invalid(
            f"{clause.place}: this field is compared with a text in quotes.", field="filter"
        )
    return clause.value


def sort_of(order: Order, vocabulary: Vocabulary) -> Sort:
    """Return the key to sort by.

    Raises:
        Invalid: when the search does not take it.
    """
    kind, key = _resolve(order.field, order.place, vocabulary, "order_by")
    is_known = (
        key in vocabulary.ordered if kind is Kind.ATTRIBUTE else (kind in vocabulary.ordered_kinds)
    )
    if not is_known:
        raise Invalid(
            f"{order.place}: this search cannot be ordered by {kind.value} '{key[:100]}'.",
            field="order_by",
        )
    return Sort(kind, key, order.ascending)


def _resolve(name: Field, place: str, vocabulary: Vocabulary, what: str) -> tuple[Kind, str]:
    if name.prefix is None:
        kind: Kind | None = Kind.ATTRIBUTE
    else:
        kind = vocabulary.prefixes.get(name.prefix)
    if kind is None:
        raise Invalid(
            f"{place}: there is no '{name.prefix}.…'; there are {_listed(vocabulary.prefixes)}.",
            field=what,
        )
    key = vocabulary.synonyms.get(name.key, name.key) if kind is Kind.ATTRIBUTE else name.key
    return kind, key


def _type_of(kind: Kind, key: str, vocabulary: Vocabulary) -> FieldType | None:
    if kind is Kind.ATTRIBUTE:
        return vocabulary.attributes.get(key)
    if kind is Kind.DATASET:
        return vocabulary.datasets.get(key)
    return vocabulary.labels[kind]


def _listed(names: Mapping[str, object] | frozenset[str]) -> str:
    return ", ".join(sorted(names))
