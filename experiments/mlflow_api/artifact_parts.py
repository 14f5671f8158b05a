"""Large files in parts: the client asks for an address per part, sends them, and says it is done."""

from typing import Any, Final

import msgspec
from django.conf import settings

from assets.storage import BlobWriter, StoredBytes
from experiments.artifact_paths import base_name, clean_path, joined
from experiments.mlflow_api.artifacts import ROOT, place_of
from experiments.mlflow_api.file_bodies import receive_file, refuse_body
from experiments.mlflow_api.kit.answers import Answer
from experiments.mlflow_api.kit.call import Call
from experiments.mlflow_api.kit.errors import ProtocolError
from experiments.mlflow_api.kit.messages import Receive
from experiments.mlflow_api.kit.requests import Int64, Request, decode
from experiments.mlflow_api.kit.routes import PREFIXES, Route
from experiments.selectors.artifact_places import Place
from experiments.services import artifact_uploads as services
from platform_site.core.errors import NotFound, TooLarge

TOKEN_HEADER: Final = "x-assay-part"  # noqa: S105  # a header's name
PART_ROOT: Final = f"{ROOT}mpu/part/"


class CreateUpload(Request):
    """The file's path on the client's machine, and into how many parts it was cut."""

    path: str
    num_parts: Int64 = 1


class SentPart(Request):
    """A part and the ETag that its sending was answered with."""

    part_number: Int64
    etag: str
    url: str = ""


class CompleteUpload(Request):
    """All parts."""

    path: str
    upload_id: str
    parts: list[SentPart] = msgspec.field(default_factory=list)


class AbortUpload(Request):
    """Which upload is given up."""

    path: str
    upload_id: str


def create(call: Call) -> dict[str, Any]:
    """Start an upload; answer with an address for each part.

    Raises:
        Invalid: for a hostile path or a wrong number of parts.
        NotFound: for strangers.
        Forbidden: for those who may only read.
        Conflict: when a model version needs the folder as it is.
        TooMany: when the project has very many unfinished uploads.
    """
    wanted = decode(call, CreateUpload)
    place = _place(call, wanted.path)
    upload = services.start_upload(place=place, n_parts=wanted.num_parts, by_id=call.caller.user_id)
    base = _own_address(call)
    return {
        "upload_id": upload.upload_id,
        "credentials": [
            {
                "url": f"{base}{PART_ROOT}{upload.upload_id}/{number}",
                "part_number": number,
                "headers": {TOKEN_HEADER: services.part_token(upload, number)},
            }
            for number in range(1, upload.n_parts + 1)
        ],
    }


async def send_part(call: Call, receive: Receive) -> Answer:
    """Store one part; its token says that it may be sent.

    Raises:
        Forbidden: for a wrong or old token.
        NotFound: when the upload is over.
        TooLarge: above the limit for a part.
        StorageFull: when the disk is full.
    """
    number = call.path_params["number"]
    if not (number.isascii() and number.isdigit() and len(number) <= 6):
        raise NotFound(services.NO_SUCH_UPLOAD)
    upload = await call.run(
        services.upload_for_part,
        call.path_params["upload_id"],
        int(number),
        call.headers.get(TOKEN_HEADER, ""),
    )
    limit = services.part_limit_bytes()
    refuse_body(call, limit, TooLarge(f"A part may have at most {limit:,} bytes."))

    def begin() -> BlobWriter:
        return services.PartWriter(upload, int(number))

    def settle(stored: StoredBytes) -> Answer:
        return Answer(200, b"", {"etag": f'"{stored.sha256}"'})

    answer: Answer = await receive_file(call, receive, begin, settle)
    return answer


def complete(call: Call) -> dict[str, Any]:
    """Put the parts together.

    Raises:
        Invalid: when a part is missing or another one than arrived.
        NotFound: for strangers and unknown uploads.
        Forbidden: for those who may only read.
        Conflict: when a model version needs the folder as it is.
        StorageFull: above the quota, or when the disk is full.
        Unavailable: while it is being put together already.
    """
    wanted = decode(call, CompleteUpload)
    services.finish_upload(
        upload_id=wanted.upload_id,
        place=_place(call, wanted.path),
        parts=[(part.part_number, part.etag) for part in wanted.parts],
        by_id=call.caller.user_id,
    )
    return {}


def abort(call: Call) -> dict[str, Any]:
    """Throw the parts away.

    Raises:
        Invalid: for a hostile path.
        NotFound: for strangers and uploads to another place.
        Forbidden: for those who may only read.
    """
    wanted = decode(call, AbortUpload)
    services.abort_upload(upload_id=wanted.upload_id, place=_place(call, wanted.path))
    return {}


def _place(call: Call, local_path: str) -> Place:
    folder = call.path_params.get("folder", "")
    name = base_name(local_path)
    if not name:
        raise ProtocolError("INVALID_PARAMETER_VALUE", "Invalid path: it names no file.")
    # Each alone: a name that hides a folder would not show in the two joined.
    path = joined(clean_path(folder) if folder else "", clean_path(name))
    return place_of(call, clean_path(path), "write")


def _own_address(call: Call) -> str:
    """Return the address of this server as the client sees it, up to the protocol's version.

    A reverse proxy that we are told to trust may serve us below a prefix.
    """
    scheme = "https" if settings.BEHIND_TLS else "http"
    prefix = ""
    if settings.TRUSTED_PROXY_COUNT:
        prefix = call.headers.get("x-forwarded-prefix", "").rstrip("/")
    return f"{scheme}://{call.headers.get('host', '')}{prefix}{PREFIXES[0]}"


ROUTES: Final = [
    Route("POST", f"{ROOT}mpu/create", create),
    Route("POST", f"{ROOT}mpu/create/{{folder:rest}}", create),
    Route("POST", f"{ROOT}mpu/complete", complete),
    Route("POST", f"{ROOT}mpu/complete/{{folder:rest}}", complete),
    Route("POST", f"{ROOT}mpu/abort", abort),
    Route("POST", f"{ROOT}mpu/abort/{{folder:rest}}", abort),
    Route("PUT", f"{PART_ROOT}{{upload_id}}/{{number}}", send_part, stream=True, public=True),
]
