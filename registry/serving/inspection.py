"""Looking into a model file without rebuilding anything from it: type, limits, list of contents."""

import json
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from experiments.data.specs import EngineError
from registry.serving.allowlist import ALLOWED_LOADERS, ALLOWED_TYPES
from registry.serving.specs import NOT_LOADABLE

MEBIBYTE = 1024 * 1024
MAX_LISTED_TYPES = 50
MAX_DEPTH = 200
NPY_MAGIC = b"\x93NUMPY"
ZIP_MAGIC = b"PK\x03\x04"
# joblib compresses its pickles: zlib, gzip, bzip2, xz, lzma, lz4.
BEGINNINGS: dict[str, tuple[bytes, ...]] = {
    "zip": (ZIP_MAGIC,),
    "hdf5": (b"\x89HDF",),
    "compressed": (
        b"\x78\x01",
        b"\x78\x5e",
        b"\x78\x9c",
        b"\x78\xda",
        b"\x1f\x8b",
        b"BZh",
        b"\xfd7zXZ",
        b"\x5d\x00",
        b"\x04\x22\x4d\x18",
    ),
}
OBJECT_DESCR = ("'|O", '"|O', "'O", '"O')


@dataclass(frozen=True, slots=True)
class FileLimits:
    """How large the parts of a model file may be before anything of it is read."""

    max_file_bytes: int
    max_schema_bytes: int
    max_inflated_bytes: int
    max_members: int
    max_nodes: int


# A file from outside: enough for any ordinary model, small enough to look at safely (H31).
FOREIGN_LIMITS = FileLimits(
    max_file_bytes=512 * MEBIBYTE,
    max_schema_bytes=5 * MEBIBYTE,
    max_inflated_bytes=1024 * MEBIBYTE,
    max_members=20_000,
    max_nodes=500_000,
)
# A file our own worker wrote and hashed: a thousand boosted trees a class need more room.
OWN_LIMITS = FileLimits(
    max_file_bytes=4096 * MEBIBYTE,
    max_schema_bytes=128 * MEBIBYTE,
    max_inflated_bytes=8192 * MEBIBYTE,
    max_members=400_000,
    max_nodes=20_000_000,
)


@dataclass(slots=True)
class Inspection:
    """What a model file holds.

    Attributes:
        file_format: skops, pickle, zip, hdf5, onnx_or_other or empty; decided by content only.
        loadable: whether every part is on the frozen allowlist and within the limits.
        reason: why not, in words; empty when loadable.
        types: qualified names found, sorted.
        unknown_types: those that are not allowed.
        skops_version: as written in the file.
    """

    file_format: str
    loadable: bool = False
    reason: str = ""
    types: list[str] = field(default_factory=list)
    unknown_types: list[str] = field(default_factory=list)
    skops_version: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return a plain dict with long lists cut."""
        return {
            "file_format": self.file_format,
            "loadable": self.loadable,
            "reason": self.reason,
            "types": self.types[:MAX_LISTED_TYPES],
            "unknown_types": self.unknown_types[:MAX_LISTED_TYPES],
            "skops_version": self.skops_version,
        }


class _RefusedError(Exception):
    """A part of the file breaks a limit or a rule; the text says which."""


def file_format(path: Path) -> str:
    """Return what the first bytes say the file is; names and extensions mean nothing."""
    with path.open("rb") as stream:
        head = stream.read(8)
    # Pickle protocols 2-5 begin with 0x80 and the number; 0 and 1 are text like other formats.
    if head[:1] == b"\x80" and head[1:2] <= b"\x05":
        return "pickle"
    for name, beginnings in BEGINNINGS.items():
        if head.startswith(beginnings):
            return name
    return "unknown" if head else "empty"


def inspect_model_file(path: Path, limits: FileLimits = FOREIGN_LIMITS) -> Inspection:
    """Return what is in a model file; builds no object of it and imports nothing it names.

    Args:
        path: the file as stored.
        limits: caps on sizes and counts; foreign files get the tight ones.
    """
    size_bytes = path.stat().st_size
    kind = file_format(path)
    if kind != "zip":
        return Inspection(kind, reason=_not_a_zip(kind))
    if size_bytes > limits.max_file_bytes:
        return Inspection(kind, reason=f"The file has {size_bytes:,} bytes, more than allowed.")
    try:
        with zipfile.ZipFile(path) as archive:
            _check_members(archive, limits)
            schema = _read_schema(archive, limits)
            types, loaders = _walk(schema, limits)
            unknown = sorted((types - ALLOWED_TYPES) | {f"{name}()" for name in loaders})
            _check_arrays(archive)
    except (zipfile.BadZipFile, _RefusedError, NotImplementedError, OSError, EOFError) as error:
        return Inspection(kind, reason=f"Not a sound model file: {error}")
    except (zlib.error, struct.error) as error:
        return Inspection(kind, reason=f"The file is damaged: {error}")
    reason = "" if not unknown else "It holds types that are not on the list of allowed types."
    version = schema.get("_skops_version")
    return Inspection(
        "skops",
        loadable=not unknown,
        reason=reason,
        types=sorted(types),
        unknown_types=unknown,
        skops_version=version if isinstance(version, str) else "",
    )


def require_loadable(path: Path, limits: FileLimits) -> Inspection:
    """Return the inspection of a file that may be rebuilt.

    Raises:
        EngineError: `model_not_loadable`, naming the types or the broken limit.
    """
    found = inspect_model_file(path, limits)
    if found.loadable:
        return found
    listed = ", ".join(found.unknown_types[:10])
    raise EngineError(
        NOT_LOADABLE,
        f"This model file cannot be loaded here. {found.reason}{' ' + listed if listed else ''}",
        **found.to_json(),
    )


def _not_a_zip(kind: str) -> str:
    if kind in {"pickle", "compressed"}:
        return (
            "It looks like a pickle or joblib file. Opening one runs whatever code is in it, so "
            "such files are kept as they are and never opened."
        )
    return "The file is empty." if kind == "empty" else "It is not a skops file."


def _check_members(archive: zipfile.ZipFile, limits: FileLimits) -> None:
    members = archive.infolist()
    if len(members) > limits.max_members:
        raise _RefusedError(f"{len(members):,} parts, at most {limits.max_members:,} are allowed")
    inflated = sum(member.file_size for member in members)
    if inflated > limits.max_inflated_bytes:
        raise _RefusedError(f"unpacked it would have {inflated:,} bytes")
    names = [member.filename for member in members]
    if len(set(names)) != len(names):
        raise _RefusedError("two parts have the same name")
    if "schema.json" not in names:
        raise _RefusedError("there is no schema.json in it")
    for member in members:
        if member.flag_bits & 0x1:
            raise _RefusedError("a part is encrypted")
        if member.filename != "schema.json" and not member.filename.endswith((".npy", ".npz")):
            raise _RefusedError(f"unexpected part {member.filename[:80]!r}")


def _read_schema(archive: zipfile.ZipFile, limits: FileLimits) -> dict[str, Any]:
    declared = archive.getinfo("schema.json").file_size
    if declared > limits.max_schema_bytes:
        raise _RefusedError(f"its schema.json has {declared:,} bytes unpacked")
    with archive.open("schema.json") as stream:
        # One byte more than allowed: the size in a header is only a claim.
        raw = stream.read(limits.max_schema_bytes + 1)
    if len(raw) > limits.max_schema_bytes:
        raise _RefusedError("its schema.json is larger unpacked than it claims")
    try:
        schema = json.loads(raw)
    except RecursionError:
        raise _RefusedError("its schema.json is nested too deeply") from None
    except ValueError:
        raise _RefusedError("its schema.json is not JSON") from None
    if not isinstance(schema, dict):
        raise _RefusedError("its schema.json is not an object")
    return schema


def _walk(schema: dict[str, Any], limits: FileLimits) -> tuple[set[str], set[str]]:
    """Return the types and the forbidden loaders named anywhere in the schema."""
    types: set[str] = set()
    forbidden: set[str] = set()
    n_nodes = 0
    for value, depth in _nodes(schema):
        n_nodes += 1
        if n_nodes > limits.max_nodes:
            raise _RefusedError(f"its schema.json has more than {limits.max_nodes:,} nodes")
        if depth > MAX_DEPTH:
            raise _RefusedError("its schema.json is nested too deeply")
        if "__loader__" in value or "__class__" in value:
            parts = [value.get(key) for key in ("__module__", "__class__", "__loader__")]
            if not all(isinstance(part, str) for part in parts):
                raise _RefusedError("a node of its schema.json names no type")
            types.add(f"{parts[0]}.{parts[1]}")
            if parts[2] not in ALLOWED_LOADERS:
                forbidden.add(str(parts[2]))
    return types, forbidden


def _nodes(schema: dict[str, Any]) -> Iterator[tuple[dict[str, Any], int]]:
    """Yield every object with its depth, without recursion."""
    stack: list[tuple[Any, int]] = [(schema, 0)]
    while stack:
        value, depth = stack.pop()
        if isinstance(value, dict):
            yield value, depth
            stack.extend((item, depth + 1) for item in value.values())
        elif isinstance(value, list):
            stack.extend((item, depth + 1) for item in value)


def _check_arrays(archive: zipfile.ZipFile) -> None:
    """Refuse arrays of objects (pickles) and headers that claim more than the bytes there are."""
    for member in archive.infolist():
        if not member.filename.endswith(".npy"):
            continue
        with archive.open(member) as stream:
            header = _npy_header(stream)
        if any(mark in header for mark in OBJECT_DESCR):
            raise _RefusedError(f"the array {member.filename} holds objects")
        if _claimed_items(header) > member.file_size:
            raise _RefusedError(f"the array {member.filename} claims more than it holds")


def _npy_header(stream: IO[bytes]) -> str:
    head = stream.read(10)
    if not head.startswith(NPY_MAGIC) or len(head) < 10:
        raise _RefusedError("an array has no NumPy header")
    if head[6] == 1:
        length = struct.unpack("<H", head[8:10])[0]
    else:
        length = struct.unpack("<I", head[8:10] + stream.read(2))[0]
    if length > 64 * 1024:
        raise _RefusedError("an array has an oversized header")
    return stream.read(length).decode("latin-1")


def _claimed_items(header: str) -> int:
    """Return the number of items of the shape in an array header (each item is >= 1 byte)."""
    _, _, tail = header.partition("'shape':")
    inside = tail.partition("(")[2].partition(")")[0]
    n_items = 1
    for part in inside.split(","):
        text = part.strip()
        if not text:
            continue
        if not text.isdigit():
            raise _RefusedError("an array has a strange shape")
        n_items *= int(text)
    return n_items
