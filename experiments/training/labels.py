"""Class labels and class numbers: models learn numbers, finished pipelines answer with labels."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.neural_network import MLPClassifier


@dataclass(frozen=True)
class Labels:
    """The labels of some training rows, sorted; a label's place is its class number."""

    names: NDArray[np.str_]

    @classmethod
    def of(cls, target: NDArray[Any]) -> "Labels":
        """Return the labels occurring in ``target``."""
        return cls(np.unique(target).astype(np.str_))

    def encode(self, target: NDArray[Any]) -> NDArray[np.int64]:
        """Return class numbers, -1 for a label that is not among the names."""
        places = np.searchsorted(self.names, target).clip(0, len(self.names) - 1)
        return np.where(self.names[places] == target, places, -1).astype(np.int64)

    def spread(
        self, probabilities: NDArray[np.float64], names: NDArray[np.str_]
    ) -> NDArray[np.float64]:
        """Return the columns of ``probabilities`` (in my order) in the order of ``names``."""
        wide = np.zeros((len(probabilities), len(names)))
        wide[:, np.searchsorted(names, self.names)] = probabilities
        return wide


def give_labels(model: Any, labels: Labels) -> None:
    """Make a classifier fitted on class numbers answer with labels.

    Learning on numbers spares every increment the sorting of texts (a tenth of an epoch of a
    small network); which attributes hold the answer is held by a test over the catalogue.
    """
    names = labels.names[np.asarray(model.classes_, dtype=np.int64)]
    if isinstance(model, MLPClassifier):
        model._label_binarizer.classes_ = names
    model.classes_ = names
