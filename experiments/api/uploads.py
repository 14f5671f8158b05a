"""Files on their way in: multipart or the raw body, always in chunks."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

from django.conf import settings
from django.http import HttpRequest
from django.http.request import QueryDict
from django.utils.http import parse_header_parameters
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.parsers import BaseParser, MultiPartParser
from rest_framework.request import Request

from experiments.api.dataset_serializers import UploadIn
from experiments.services.datasets import Upload
from platform_site.core.errors import Invalid, TooLarge

CHUNK_BYTES: Final = 1024 * 1024
MULTIPART_SLACK_BYTES: Final = 1024 * 1024
RAW_TYPES: Final = (
    "application/octet-stream",
    "application/gzip",
    "application/x-ndjson",
    "application/vnd.apache.parquet",
    "text/csv",
    "text/tab-separated-values",
    "text/plain",
)
NOT_OPTIONS: Final = frozenset({"name", "sha256"})


class RawBodyParser(BaseParser):
    """Names the raw types in the API's description; the view reads the body itself."""

    media_type = "application/octet-stream"


UPLOAD_PARSERS: Final = [MultiPartParser, RawBodyParser]


def read_upload(request: Request, *, allowed_params: frozenset[str]) -> tuple[str, Upload]:
    """Return the wanted name (may be empty) and the upload of a request.

    Raises:
        TooLarge: when the announced length is above the limit.
        UnsupportedMediaType: for a body that is neither multipart nor raw bytes.
        Invalid: when there is not exactly one file.
        ValidationError: for an unknown or wrong field.
    """
    plain = request._request  # DRF offers no other way
    media_type = parse_header_parameters(plain.headers.get("Content-Type", ""))[0]
    _refuse_oversized(plain)
    if media_type == "multipart/form-data":
        return _from_form(request)
    if media_type in RAW_TYPES:
        return _from_body(plain, allowed_params)
    raise UnsupportedMediaType(media_type or "none")


def _refuse_oversized(request: HttpRequest) -> None:
    announced = request.headers.get("Content-Length", "")
    limit = settings.MAX_UPLOAD_BYTES + MULTIPART_SLACK_BYTES
    if announced.isascii() and announced.isdigit() and int(announced) > limit:
        raise TooLarge(
            f"The upload has {int(announced):,} bytes; this installation accepts"
            f" {settings.MAX_UPLOAD_BYTES:,}.",
            limit_bytes=settings.MAX_UPLOAD_BYTES,
        )


def _from_form(request: Request) -> tuple[str, Upload]:
    files = [file for name in request.FILES for file in request.FILES.getlist(name)]
    if len(files) != 1 or "file" not in request.FILES:
        raise Invalid("Send exactly one file in the form field 'file'.", field="file")
    file = files[0]
    fields = cast(QueryDict, request.data)
    values: dict[str, Any] = {key: fields.get(key) for key in fields if key != "file"}
    if "null_words" in values:
        values["null_words"] = fields.getlist("null_words")
    return _checked(values, file.chunks(CHUNK_BYTES), file.name or "")


def _from_body(request: HttpRequest, allowed_params: frozenset[str]) -> tuple[str, Upload]:
    params = request.GET
    values: dict[str, Any] = {
        key: params.get(key) for key in params if key not in allowed_params | {"file_name"}
    }
    if "null_words" in values:
        values["null_words"] = params.getlist("null_words")
    file_name = params.get("file_name") or params.get("name") or "upload"
    return _checked(values, _body_chunks(request), file_name)


def _body_chunks(request: HttpRequest) -> Iterator[bytes]:
    while chunk := request.read(CHUNK_BYTES):
        yield chunk


def _checked(
    values: Mapping[str, Any], chunks: Iterator[bytes], file_name: str
) -> tuple[str, Upload]:
    form = UploadIn(data=values)
    form.is_valid(raise_exception=True)
    fields = form.validated_data
    options = {key: value for key, value in fields.items() if key not in NOT_OPTIONS}
    upload = Upload(
        chunks=chunks,
        file_name=file_name,
        options=options,
        expected_sha256=fields.get("sha256", ""),
    )
    return fields.get("name", ""), upload
