"""The one place where figures become JSON: numpy to plain, NaN and infinity to null."""

import datetime as dt
import math
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

import numpy as np


def to_json(value: Any) -> Any:
    """Return the value with only dicts, lists, text, finite numbers, booleans and None.

    Raises:
        TypeError: for anything that has no plain form.
    """
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    if isinstance(value, dt.datetime | dt.date | PurePath):
        return value.isoformat() if isinstance(value, dt.date) else str(value)
    if value is None or isinstance(value, str | bool | int):
        return value
    raise TypeError(f"{type(value).__name__} has no plain form")
