"""Django finds the models of this app here."""

from experiments.models.artifacts import ArtifactFile, ArtifactUpload, FrozenFolder
from experiments.models.datasets import Dataset, DatasetVersion, TargetAnalysis
from experiments.models.experiments import Experiment, ExperimentTag, Lifecycle, SavedView
from experiments.models.logged_models import (
    LoggedModel,
    LoggedModelMetric,
    LoggedModelParam,
    LoggedModelTag,
    RunModel,
)
from experiments.models.runs import Run, RunReport
from experiments.models.traces import Assessment, Span, Trace, TraceLabel, TraceRun
from experiments.models.tracking import (
    DatasetInput,
    Key,
    LatestMetric,
    LoggedDataset,
    MetricBlock,
    MetricTail,
    RunParam,
    RunTag,
    UnknownCall,
)

__all__ = [
    "ArtifactFile",
    "ArtifactUpload",
    "Assessment",
    "Dataset",
    "DatasetInput",
    "DatasetVersion",
    "Experiment",
    "ExperimentTag",
    "FrozenFolder",
    "Key",
    "LatestMetric",
    "Lifecycle",
    "LoggedDataset",
    "LoggedModel",
    "LoggedModelMetric",
    "LoggedModelParam",
    "LoggedModelTag",
    "MetricBlock",
    "MetricTail",
    "Run",
    "RunModel",
    "RunParam",
    "RunReport",
    "RunTag",
    "SavedView",
    "Span",
    "TargetAnalysis",
    "Trace",
    "TraceLabel",
    "TraceRun",
    "UnknownCall",
]
