"""Requests as typed structs: strictly and fast first, then by the protocol's tolerant rules.

Declare a request as a subclass of `Request`, with the protocol's snake_case names::

    class SetTag(Request):
        run_id: str
        key: str
        value: str = ""

A field without a default is required: missing, null and ``""`` are refused. Use `Int64` for
integers. Optional fields are declared with a default; null means the default.
"""

from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import inspect

from experiments.mlflow_api.kit.call import Call
from experiments.mlflow_api.kit.errors import missing_value
from experiments.mlflow_api.kit.tolerant import convert_struct, parse_object

Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
BODY_METHODS: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_UNFIT: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class Request(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Base of all requests; an unknown field only leads to the tolerant reading."""


Kind = TypeVar("Kind", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class _Plan:
    decoder: msgspec.json.Decoder[Any]
    info: inspect.StructType
    required_text: tuple[str, ...]
    is_closed: bool


def decode(call: Call, kind: type[Kind]) -> Kind:
    """Return the request of this call: the body, or for GET the parameters of the address.

    Raises:
        ProtocolError: naming the field that is missing or has a wrong value.
    """
    if call.method in BODY_METHODS:
        return decode_body(call.body, kind)
    request: Kind = convert_struct(call.query, _plan_of(kind).info, "", from_query=True)
    return request


def decode_body(body: bytes, kind: type[Kind]) -> Kind:
    """Return the request in a JSON body.

    Raises:
        ProtocolError: naming the field that is missing or has a wrong value.
    """
    plan = _plan_of(kind)
    request: Kind
    if plan.is_closed and b"\\u0000" not in body:
        try:
            request = plan.decoder.decode(body)
        except _UNFIT:
            request = convert_struct(parse_object(body), plan.info, "")
        for name in plan.required_text:
            if not getattr(request, name):
                raise missing_value(name)
    else:
        request = convert_struct(parse_object(body), plan.info, "")
    return request


@cache
def _plan_of(kind: type[Any]) -> _Plan:
    info = inspect.type_info(kind)
    if not isinstance(info, inspect.StructType):
        raise TypeError(f"{kind} is not a struct")
    return _Plan(
        decoder=msgspec.json.Decoder(kind),
        info=info,
        required_text=tuple(
            one.name
            for one in info.fields
            if one.required and isinstance(one.type, inspect.StrType)
        ),
        is_closed=_is_closed(info),
    )


def _is_closed(kind: inspect.Type) -> bool:
    """Whether the strict reading already bounds depth and refuses what is not declared."""
    if isinstance(kind, inspect.StructType):
        return kind.forbid_unknown_fields and all(_is_closed(one.type) for one in kind.fields)
    if isinstance(kind, inspect.UnionType):
        return all(_is_closed(one) for one in kind.types)
    if isinstance(kind, inspect.ListType):
        return _is_closed(kind.item_type)
    if isinstance(kind, inspect.DictType):
        return _is_closed(kind.value_type)
    return not isinstance(kind, inspect.AnyType)
