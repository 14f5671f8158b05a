"""Shapes of datasets on the API."""

from typing import Any

from rest_framework import serializers

from experiments.data.specs import COLUMN_TYPES
from experiments.models import Dataset, DatasetVersion
from experiments.selectors.datasets import DatasetRow
from platform_site.core.serializers import StrictSerializer

MAX_NAME_CHARS = 400  # the service names its own, smaller limit


class ReadOptionsIn(StrictSerializer):
    """How to read a file; what is left out is detected."""

    encoding = serializers.CharField(required=False, allow_blank=True, max_length=40)
    separator = serializers.CharField(
        required=False, allow_blank=True, max_length=10, trim_whitespace=False
    )
    decimal = serializers.ChoiceField([".", ","], required=False, allow_blank=True)
    comment_prefix = serializers.CharField(required=False, allow_blank=True, max_length=10)
    header = serializers.BooleanField(required=False, allow_null=True)
    null_words = serializers.ListField(
        child=serializers.CharField(allow_blank=True, max_length=100, trim_whitespace=False),
        required=False,
        max_length=200,
    )
    column_types = serializers.DictField(
        child=serializers.ChoiceField(list(COLUMN_TYPES)), required=False
    )
    skip_bad_rows = serializers.BooleanField(required=False)


class UploadIn(ReadOptionsIn):
    """Form fields (or query parameters) beside an uploaded file."""

    name = serializers.CharField(required=False, allow_blank=True, max_length=MAX_NAME_CHARS)
    sha256 = serializers.RegexField(r"^[0-9a-fA-F]{64}$", required=False)


class UploadForm(UploadIn):
    """The multipart body of an upload; for the API's description."""

    file = serializers.FileField()


class ReadAgainIn(ReadOptionsIn):
    """Options of another reading; with a name it goes into another dataset."""

    name = serializers.CharField(required=False, allow_blank=True, max_length=MAX_NAME_CHARS)


class DatasetPatchIn(StrictSerializer):
    """What may be changed of a dataset."""

    name = serializers.CharField(required=False, max_length=MAX_NAME_CHARS)
    description = serializers.CharField(required=False, allow_blank=True, max_length=20_000)
    archived = serializers.BooleanField(required=False)


class DatasetSourceIn(StrictSerializer):
    """A table to fetch."""

    source = serializers.ChoiceField(["bundled", "nasa"])  # type: ignore[assignment]  # a field called source is meant
    key = serializers.CharField(max_length=60)
    name = serializers.CharField(required=False, allow_blank=True, max_length=MAX_NAME_CHARS)


class TargetAnalysisIn(StrictSerializer):
    """A column to look at as a target."""

    target = serializers.CharField(max_length=500, trim_whitespace=False)


class ProblemOut(serializers.Serializer[Any]):
    """Why something is not usable."""

    code = serializers.CharField()
    message = serializers.CharField()


class DatasetOut(serializers.Serializer[Any]):
    """A dataset with its newest version."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    description = serializers.CharField()
    project = serializers.IntegerField()
    source = serializers.ChoiceField(list(Dataset.Source.values))  # type: ignore[assignment]  # a field called source is meant
    version = serializers.IntegerField(allow_null=True)
    status = serializers.ChoiceField(list(DatasetVersion.Status.values))
    stage = serializers.CharField()
    progress = serializers.FloatField()
    error = ProblemOut(allow_null=True)
    n_rows = serializers.IntegerField(allow_null=True)
    n_columns = serializers.IntegerField(allow_null=True)
    n_warnings = serializers.IntegerField(allow_null=True)
    size_bytes = serializers.IntegerField(allow_null=True)
    archived = serializers.BooleanField()
    created_at = serializers.DateTimeField()
    created_by = serializers.CharField()


class DatasetListOut(serializers.Serializer[Any]):
    """One page of datasets."""

    count = serializers.IntegerField()
    next_offset = serializers.IntegerField(allow_null=True)
    results = DatasetOut(many=True)


class DatasetUploadOut(serializers.Serializer[Any]):
    """The version that the uploaded bytes are."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    version = serializers.IntegerField(allow_null=True)
    status = serializers.ChoiceField(list(DatasetVersion.Status.values))
    created = serializers.BooleanField(help_text="false: these bytes were this version already")
    sha256 = serializers.CharField(allow_null=True)
    job = serializers.IntegerField(allow_null=True)


class DatasetVersionOut(serializers.Serializer[Any]):
    """A version in a list."""

    version = serializers.IntegerField()
    status = serializers.ChoiceField(list(DatasetVersion.Status.values))
    error = ProblemOut(allow_null=True)
    file_name = serializers.CharField()
    sha256 = serializers.CharField()
    size_bytes = serializers.IntegerField()
    n_rows = serializers.IntegerField(allow_null=True)
    n_columns = serializers.IntegerField(allow_null=True)
    n_warnings = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    created_by = serializers.CharField()
    ready_at = serializers.DateTimeField(allow_null=True)


class DatasetVersionDetailOut(DatasetVersionOut):
    """A version with its schema, reading report and difference to the version before."""

    id = serializers.IntegerField(help_text="the dataset")
    read_options = serializers.JSONField()
    schema = serializers.JSONField(allow_null=True)
    report = serializers.JSONField(allow_null=True)
    difference = serializers.JSONField(allow_null=True)


class DatasetVersionListOut(serializers.Serializer[Any]):
    """Versions, newest first."""

    next_before = serializers.IntegerField(allow_null=True)
    results = DatasetVersionOut(many=True)


class DatasetProfileOut(serializers.Serializer[Any]):
    """What was found in the columns; further keys are in the example of your own data."""

    n_rows = serializers.IntegerField()
    n_columns = serializers.IntegerField()
    columns = serializers.ListField(child=serializers.DictField())
    warnings = serializers.ListField(child=serializers.DictField())


class DatasetRowsOut(serializers.Serializer[Any]):
    """A page of rows."""

    total = serializers.IntegerField(help_text="rows that pass the filters")
    columns = serializers.ListField(child=serializers.DictField())
    rows = serializers.ListField(child=serializers.ListField())
    row_numbers = serializers.ListField(child=serializers.IntegerField())


class TargetAnalysisOut(serializers.Serializer[Any]):
    """A column seen as a target."""

    target = serializers.CharField()
    status = serializers.ChoiceField(list(DatasetVersion.Status.values))
    error = serializers.CharField(allow_null=True)
    result = serializers.JSONField(allow_null=True)


class DatasetSourceOut(serializers.Serializer[Any]):
    """A table that a source offers."""

    source = serializers.CharField()  # type: ignore[assignment]  # a field called source is meant
    key = serializers.CharField()
    title = serializers.CharField()
    description = serializers.CharField()


def error_of(code: str, message: str) -> dict[str, str] | None:
    """Return code and message, None when there is no error."""
    return {"code": code or "failed", "message": message} if code or message else None


def dataset_json(row: DatasetRow) -> dict[str, Any]:
    """Return the body for a dataset."""
    newest = row.newest
    return {
        "id": row.id,
        "name": row.name,
        "description": row.description,
        "project": row.project_id,
        "source": row.source,
        "version": newest.number if newest else None,
        "status": row.status,
        "stage": row.stage,
        "progress": round(row.progress_percent, 2),
        "error": error_of(row.error_code, row.error_message),
        "n_rows": newest.n_rows if newest else None,
        "n_columns": newest.n_columns if newest else None,
        "n_warnings": newest.n_warnings if newest else None,
        "size_bytes": newest.blob.size_bytes if newest else None,
        "archived": row.archived,
        "created_at": row.created_at,
        "created_by": row.created_by,
    }


def version_json(version: DatasetVersion) -> dict[str, Any]:
    """Return the body for a version in a list."""
    return {
        "version": version.number,
        "status": version.status,
        "error": error_of(version.error_code, version.error_message),
        "file_name": version.file_name,
        "sha256": version.blob.sha256,
        "size_bytes": version.blob.size_bytes,
        "n_rows": version.n_rows,
        "n_columns": version.n_columns,
        "n_warnings": version.n_warnings,
        "created_at": version.created_at,
        "created_by": str(version.created_by),
        "ready_at": version.ready_at,
    }


def version_detail_json(version: DatasetVersion) -> dict[str, Any]:
    """Return the body for one version."""
    return {
        **version_json(version),
        "id": version.dataset_id,
        "read_options": version.read_options,
        "schema": version.table_schema,
        "report": version.report,
        "difference": version.difference,
    }
