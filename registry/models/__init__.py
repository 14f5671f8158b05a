"""Django finds the models of this app here."""

from registry.models.predictions import PredictionBatch
from registry.models.registered import (
    ModelAlias,
    ModelVersion,
    ModelVersionTag,
    RegisteredModel,
    RegisteredModelTag,
)

__all__ = [
    "ModelAlias",
    "ModelVersion",
    "ModelVersionTag",
    "PredictionBatch",
    "RegisteredModel",
    "RegisteredModelTag",
]
