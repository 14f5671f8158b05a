"""Traces of calls (spans), and what people, code and judges say about them."""

from django.db import models

from experiments.models.experiments import Experiment
from experiments.models.runs import Run


class Trace(models.Model):
    """One call of an application from its first span to its last."""

    trace_id = models.CharField(max_length=64, unique=True)
    experiment = models.ForeignKey(Experiment, on_delete=models.PROTECT, related_name="traces")
    request_ms = models.BigIntegerField()
    duration_ms = models.BigIntegerField(null=True, blank=True)
    state = models.CharField(max_length=20, default="STATE_UNSPECIFIED")
    client_request_id = models.CharField(max_length=250, blank=True)
    request_preview = models.TextField(blank=True)
    response_preview = models.TextField(blank=True)
    name = models.CharField(max_length=500, blank=True)
    # The client has told times and state itself; spans that arrive later do not change them.
    is_told = models.BooleanField(default=False)

    class Meta:
        """Serves the list of an experiment, newest first."""

        indexes = [
            models.Index(fields=["experiment", "-request_ms", "trace_id"], name="trace_newest"),
        ]

    def __str__(self) -> str:
        """Return the id."""
        return self.trace_id


class TraceRun(models.Model):
    """A trace was made in a run, or looked at by it; evaluations look at the same traces again."""

    trace = models.ForeignKey(Trace, on_delete=models.CASCADE, related_name="run_edges")
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="trace_edges")

    class Meta:
        """An edge exists once."""

        constraints = [models.UniqueConstraint(fields=["trace", "run"], name="trace_run_once")]

    def __str__(self) -> str:
        """Return both numbers."""
        return f"trace {self.trace_id} of run {self.run_id}"


class TraceLabel(models.Model):
    """A tag (may change) or a piece of metadata (may not) of a trace."""

    class Kind(models.TextChoices):
        """Which of the two."""

        TAG = "tag", "Tag"
        METADATA = "metadata", "Metadata"

    trace = models.ForeignKey(Trace, on_delete=models.CASCADE, related_name="labels")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    key = models.CharField(max_length=250)
    value = models.TextField(blank=True)

    class Meta:
        """One value per key."""

        constraints = [
            models.UniqueConstraint(fields=["trace", "kind", "key"], name="trace_label_once")
        ]

    def __str__(self) -> str:
        """Return key and value."""
        return f"{self.key}={self.value}"


class Span(models.Model):
    """One step of a trace.

    Attributes, events and links are JSON text with letters as they are, so that a search for
    text finds them on every database; each attribute's value is JSON text again, as clients read
    it back.
    """

    trace = models.ForeignKey(Trace, on_delete=models.CASCADE, related_name="spans")
    span_id = models.CharField(max_length=16)
    parent_id = models.CharField(max_length=16, blank=True)
    name = models.CharField(max_length=1000)
    kind = models.CharField(max_length=30, blank=True)
    span_type = models.CharField(max_length=100, blank=True)
    start_ns = models.BigIntegerField()
    end_ns = models.BigIntegerField(null=True, blank=True)
    status_code = models.CharField(max_length=20, blank=True)
    status_message = models.TextField(blank=True)
    attributes = models.TextField(default="{}")
    events = models.TextField(default="[]")
    links = models.TextField(default="[]")

    class Meta:
        """A span is kept once."""

        constraints = [models.UniqueConstraint(fields=["trace", "span_id"], name="span_once")]

    def __str__(self) -> str:
        """Return the name."""
        return self.name


class Assessment(models.Model):
    """Feedback on a trace, or what was expected of it; a newer one may override an older."""

    class Kind(models.TextChoices):
        """A judgement of what came out, or what should have."""

        FEEDBACK = "feedback", "Feedback"
        EXPECTATION = "expectation", "Expectation"

    assessment_id = models.CharField(max_length=34, unique=True)
    trace = models.ForeignKey(Trace, on_delete=models.CASCADE, related_name="assessments")
    span_id = models.CharField(max_length=16, blank=True)
    name = models.CharField(max_length=250)
    kind = models.CharField(max_length=12, choices=Kind.choices)
    source_type = models.CharField(max_length=30)
    source_id = models.CharField(max_length=250, blank=True)
    body = models.JSONField()
    rationale = models.TextField(blank=True)
    metadata = models.JSONField(default=dict)
    overrides = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, blank=True, related_name="overridden_by"
    )
    is_valid = models.BooleanField(default=True)
    created_ms = models.BigIntegerField()
    updated_ms = models.BigIntegerField()

    def __str__(self) -> str:
        """Return the name."""
        return self.name
