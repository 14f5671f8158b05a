"""What the scripts share: names of their own, a refusal that must come, the answer at the end."""

import json
import uuid

import mlflow
from mlflow.exceptions import MlflowException

IS_3 = int(mlflow.__version__.split(".")[0]) >= 3


def unique(word: str) -> str:
    return f"{word}-{uuid.uuid4().hex[:12]}"


def refused(code: str, call, *args, **kwargs) -> str:
    """Return the message of the refusal with this code, which must come."""
    try:
        call(*args, **kwargs)
    except MlflowException as error:
        if error.error_code != code:
            raise AssertionError(
                f"{error.error_code} instead of {code}: {error.message}"
            ) from error
        return error.message
    raise AssertionError(f"no refusal ({code}) of {call.__name__}{args}")


def answer(**values: object) -> None:
    print(json.dumps(values))
