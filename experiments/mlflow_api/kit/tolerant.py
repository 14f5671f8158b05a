"""The tolerant reading of requests: strings as numbers, both spellings of names, null as absent."""

import json
import math
import re
from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec import inspect
from rest_framework.exceptions import ParseError

from experiments.mlflow_api.kit.errors import ProtocolError, invalid_value, missing_value
from platform_site.core.json_parser import refuse_unstorable

INT64: Final = range(-(2**63), 2**63)
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,19}(?:\.0*)?", re.ASCII)
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?", re.ASCII)
_SPECIAL: Final = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_BOOLEANS: Final = {"true": True, "false": False, "1": True, "0": False}
MAX_NUMBER_CHARS: Final = 400


class Unfit(Exception):
    """The value is not of the wanted kind."""


def parse_object(body: bytes) -> dict[str, Any]:
    """Return the body's object; a body that is no JSON counts as empty.

    Raises:
        ProtocolError: when it is JSON of another kind, too deep, or holds what cannot be stored.
    """
    content = _load(body)
    if isinstance(content, str):
        content = _load(content)
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ProtocolError("BAD_REQUEST", "The body must be a JSON object.")
    try:
        refuse_unstorable(content)
    except ParseError as error:
        raise ProtocolError("INVALID_PARAMETER_VALUE", str(error.detail)) from error
    return content


def _load(text: bytes | str) -> Any:
    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8")
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise ProtocolError("BAD_REQUEST", "The JSON is nested too deeply.") from error
    except ValueError:
        return None


def _refuse_constant(name: str) -> float:
    raise ValueError(name)


def convert_struct(
    values: dict[str, Any], info: inspect.StructType, path: str, *, from_query: bool = False
) -> Any:
    """Return the struct that these values mean.

    Args:
        values: by name, in either spelling.
        info: the struct's description.
        path: where the values stand, for messages.
        from_query: whether each value is a list of texts, of which a plain field takes the first.

    Raises:
        ProtocolError: naming the field that is missing or has a wrong value.
    """
    fields: dict[str, Any] = {}
    for one in info.fields:
        where = f"{path}.{one.name}" if path else one.name
        value = _value_of(values, one.name, where)
        if from_query and value is not None and not _takes_list(one.type):
            value = value[0]
        if value is None or (value == "" and one.required):
            if one.required:
                raise missing_value(where)
            continue
        fields[one.name] = convert(value, one.type, where)
    return info.cls(**fields)


def convert(value: Any, kind: inspect.Type, path: str) -> Any:
    """Return the value as the wanted kind.

    Raises:
        ProtocolError: when it is not.
    """
    if isinstance(kind, inspect.StructType):
        if not isinstance(value, dict):
            raise invalid_value(path, json_text(value))
        return convert_struct(value, kind, path)
    if isinstance(kind, inspect.ListType):
        if not isinstance(value, list):
            raise invalid_value(path, json_text(value))
        return [convert(item, kind.item_type, f"{path}[{at}]") for at, item in enumerate(value)]
    if isinstance(kind, inspect.DictType):
        if not isinstance(value, dict):
            raise invalid_value(path, json_text(value))
        return {key: convert(item, kind.value_type, f"{path}.{key}") for key, item in value.items()}
    if isinstance(kind, inspect.UnionType):
        return _convert_union(value, kind, path)
    if isinstance(kind, inspect.AnyType):
        return value
    try:
        return _SCALARS[type(kind)](value)
    except Unfit as error:
        raise invalid_value(path, json_text(value), str(error)) from error


def json_text(value: Any) -> str:
    """Return the value as compact JSON, for messages."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=str)


def _value_of(values: dict[str, Any], name: str, where: str) -> Any:
    value = values.get(name)
    other = camel_case(name)
    if other == name or values.get(other) is None:
        return value
    if value is not None:
        raise ProtocolError(
            "INVALID_PARAMETER_VALUE", f"The parameter '{where}' is given twice, also as '{other}'."
        )
    return values[other]


def camel_case(name: str) -> str:
    """Return ``runId`` for ``run_id``."""
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def _takes_list(kind: inspect.Type) -> bool:
    if isinstance(kind, inspect.UnionType):
        return any(_takes_list(one) for one in kind.types)
    return isinstance(kind, inspect.ListType)


def _convert_union(value: Any, kind: inspect.UnionType, path: str) -> Any:
    choices = [one for one in kind.types if not isinstance(one, inspect.NoneType)]
    refusals: list[ProtocolError] = []
    for one in choices:
        try:
            return convert(value, one, path)
        except ProtocolError as error:
            refusals.append(error)
    raise refusals[0]


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise Unfit("it must be a string.")


def _whole_number(value: Any) -> int:
    number: int | None = None
    if isinstance(value, str) and _INTEGER.fullmatch(value.strip()):
        number = int(value.strip().partition(".")[0])
    elif isinstance(value, int) and not isinstance(value, bool):
        number = value
    elif isinstance(value, float) and value.is_integer():
        number = int(value)
    if number is None or number not in INT64:
        raise Unfit("it must be a whole number of 64 bits.")
    return number


def _number(value: Any) -> float:
    if isinstance(value, str):
        text = value.strip()
        if text in _SPECIAL:
            return _SPECIAL[text]
        if len(text) > MAX_NUMBER_CHARS or not _NUMBER.fullmatch(text):
            raise Unfit("it must be a number.")
        value = float(text)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Unfit("it must be a number.")
    try:
        number = float(value)
    except OverflowError as error:
        raise Unfit("it is too large.") from error
    if not math.isfinite(number):
        raise Unfit("it is too large.")
    return number


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    known = _BOOLEANS.get(value.lower()) if isinstance(value, str) else None
    if known is None:
        raise Unfit("it must be true or false.")
    return known


def _raw_json(value: Any) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))


_SCALARS: Final[dict[type[inspect.Type], Callable[[Any], Any]]] = {
    inspect.StrType: _text,
    inspect.IntType: _whole_number,
    inspect.FloatType: _number,
    inspect.BoolType: _boolean,
    inspect.RawType: _raw_json,
}
