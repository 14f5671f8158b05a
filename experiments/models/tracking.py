"""What runs log: params, tags, metric points, inputs; narrow tables, packed points."""

from django.db import models

from experiments.models.experiments import Experiment
from experiments.models.runs import Run


class Key(models.Model):
    """The one dictionary of metric, param and tag names; compared byte by byte."""

    name = models.CharField(max_length=250, unique=True)

    def __str__(self) -> str:
        """Return the name."""
        return self.name


class RunParam(models.Model):
    """An input of a run, as text; written once."""

    pk = models.CompositePrimaryKey("run_id", "key_id")
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="params", db_index=False)
    key = models.ForeignKey(Key, on_delete=models.PROTECT, related_name="+", db_index=False)
    value = models.TextField(blank=True)

    class Meta:
        """The primary key (run, key) serves the run's page and each clause of a search."""

    def __str__(self) -> str:
        """Return numbers and value, without a query."""
        return f"{self.key_id}={self.value}"


class RunTag(models.Model):
    """A label of a run that may change; the run's name is a column of the run, not a tag."""

    pk = models.CompositePrimaryKey("run_id", "key_id")
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="tags", db_index=False)
    key = models.ForeignKey(Key, on_delete=models.PROTECT, related_name="+", db_index=False)
    value = models.TextField(blank=True)

    class Meta:
        """The primary key (run, key) serves the run's page and each clause of a search."""

    def __str__(self) -> str:
        """Return numbers and value, without a query."""
        return f"{self.key_id}={self.value}"


class LatestMetric(models.Model):
    """The newest point of a metric by (step, time, value); behind by what is not folded yet."""

    pk = models.CompositePrimaryKey("run_id", "key_id")
    run = models.ForeignKey(
        Run, on_delete=models.CASCADE, related_name="latest_metrics", db_index=False
    )
    key = models.ForeignKey(Key, on_delete=models.PROTECT, related_name="+", db_index=False)
    step = models.BigIntegerField()
    timestamp_ms = models.BigIntegerField()
    value = models.FloatField()
    is_nan = models.BooleanField(default=False)

    class Meta:
        """A NaN is a flag beside the value 0, since databases disagree about NaN."""

    def __str__(self) -> str:
        """Return numbers and value, without a query."""
        return f"{self.key_id}={'NaN' if self.is_nan else self.value}"


class MetricTail(models.Model):
    """The points of one request, packed as columns; never changed, removed by compaction.

    `data` is a format byte 0, then little-endian columns: int32 key ids, int64 steps, int64
    times in ms, float64 values.
    """

    run = models.ForeignKey(
        Run, on_delete=models.CASCADE, related_name="metric_tails", db_index=False
    )
    digest = models.BigIntegerField()
    n_points = models.IntegerField()
    data = models.BinaryField()

    class Meta:
        """The digest drops a request that a client repeats."""

        constraints = [
            models.UniqueConstraint(fields=["run", "digest"], name="metric_tail_once"),
        ]
        indexes = [models.Index(fields=["run", "id"], name="metric_tail_of_run")]

    def __str__(self) -> str:
        """Return the run's number and the count."""
        return f"{self.n_points} points of run {self.run_id}"


class MetricBlock(models.Model):
    """Up to 4,096 points of one metric of one run, ordered by (time, step, value), each once.

    `data` is a format byte 0, then little-endian columns: int64 steps, int64 times in ms,
    float64 values. Least, greatest and last value are of the numbers among them, null without.
    """

    run = models.ForeignKey(
        Run, on_delete=models.CASCADE, related_name="metric_blocks", db_index=False
    )
    key = models.ForeignKey(Key, on_delete=models.PROTECT, related_name="+", db_index=False)
    n_points = models.IntegerField()
    first_ms = models.BigIntegerField()
    last_ms = models.BigIntegerField()
    first_step = models.BigIntegerField()
    last_step = models.BigIntegerField()
    min_value = models.FloatField(null=True)
    max_value = models.FloatField(null=True)
    last_value = models.FloatField(null=True)
    data = models.BinaryField()

    class Meta:
        """Serves a metric's history, page by page, and its envelope from the heads alone."""

        indexes = [
            models.Index(fields=["run", "key", "first_ms"], name="metric_block_of_series"),
        ]

    def __str__(self) -> str:
        """Return the run's number and the count."""
        return f"{self.n_points} points of run {self.run_id}"


class LoggedDataset(models.Model):
    """A dataset as a client described it; the same name and digest is the same dataset."""

    experiment = models.ForeignKey(
        Experiment, on_delete=models.CASCADE, related_name="logged_datasets"
    )
    name = models.CharField(max_length=500)
    digest = models.CharField(max_length=36)
    source_type = models.CharField(max_length=100, blank=True)
    source = models.TextField(blank=True)
    schema = models.TextField(blank=True)
    profile = models.TextField(blank=True)

    class Meta:
        """Once per experiment."""

        constraints = [
            models.UniqueConstraint(
                fields=["experiment", "name", "digest"], name="logged_dataset_once"
            ),
        ]

    def __str__(self) -> str:
        """Return name and digest."""
        return f"{self.name} ({self.digest})"


class DatasetInput(models.Model):
    """The run read this dataset; the first tags stay."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="dataset_inputs")
    dataset = models.ForeignKey(LoggedDataset, on_delete=models.PROTECT, related_name="inputs")
    context = models.CharField(max_length=500, blank=True)
    tags = models.JSONField(default=list)

    class Meta:
        """An edge exists once."""

        constraints = [
            models.UniqueConstraint(fields=["run", "dataset"], name="dataset_input_once")
        ]

    def __str__(self) -> str:
        """Return both numbers."""
        return f"run {self.run_id} read {self.dataset_id}"


class UnknownCall(models.Model):
    """A call of a client that this server does not implement, counted."""

    method = models.CharField(max_length=10)
    path = models.CharField(max_length=200)
    client = models.CharField(max_length=100, blank=True)
    n_calls = models.BigIntegerField(default=0)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()

    class Meta:
        """One row per call; the table is bounded by its writer."""

        constraints = [models.UniqueConstraint(fields=["method", "path"], name="unknown_call_once")]

    def __str__(self) -> str:
        """Return the call."""
        return f"{self.method} {self.path}"
