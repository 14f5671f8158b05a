"""Django finds the models of this app here."""

from experiments.models.datasets import Dataset, DatasetVersion, TargetAnalysis
from experiments.models.runs import Experiment, MetricPoint, Param, Run, RunReport, Tag

__all__ = [
    "Dataset",
    "DatasetVersion",
    "Experiment",
    "MetricPoint",
    "Param",
    "Run",
    "RunReport",
    "Tag",
    "TargetAnalysis",
]
