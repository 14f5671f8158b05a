"""Django finds the models of this app here."""

from registry.models.predictions import PredictionBatch
from registry.models.registered import ModelVersion, RegisteredModel

__all__ = ["ModelVersion", "PredictionBatch", "RegisteredModel"]
