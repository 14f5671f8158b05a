"""Model files: skops with a frozen allowlist, written canonically, loaded only if hash and types fit."""

import hashlib
import importlib.metadata
import io
import json
import platform
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import skops.io

from experiments.data.specs import EngineError
from registry.serving.allowlist import ALLOWED_TYPES
from registry.serving.inspection import OWN_LIMITS, require_loadable
from registry.serving.specs import MODEL_FORMAT, NOT_LOADABLE

COMPRESS_LEVEL = 6
HASH_CHUNK_BYTES = 1024 * 1024
# Fixed, so that the same model gives the same bytes.
ZIP_DATE = (1980, 1, 1, 0, 0, 0)
# Those whose change may alter what a stored model does.
WATCHED_VERSIONS = ("python", "scikit-learn", "numpy", "scipy", "skops")


@dataclass(frozen=True)
class LoadedModel:
    """A rebuilt pipeline with its manifest and what is worth knowing about its age."""

    pipeline: Any
    manifest: dict[str, Any]
    warnings: list[str] = field(default_factory=list)


def library_versions() -> dict[str, str]:
    """Return the versions that a model file depends on."""
    names = ("scikit-learn", "numpy", "scipy", "pandas", "skops")
    found = {name: importlib.metadata.version(name) for name in names}
    return {"python": platform.python_version(), **found}


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file as hexadecimal text."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(HASH_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def save_model(pipeline: Any, path: Path, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Write the pipeline and return the manifest completed with format, hash, size, versions.

    The bytes depend on the model only: node numbers, order and times are made canonical, so
    training the same specification again gives the same file.

    Args:
        pipeline: a fitted scikit-learn pipeline.
        path: where the file goes; its folder exists.
        manifest: what is known about the model.

    Raises:
        EngineError: `model_not_loadable` if the pipeline has parts that are not on the allowlist.
    """
    raw = io.BytesIO()
    skops.io.dump(pipeline, raw)
    temporary = path.with_name(path.name + ".part")
    try:
        with zipfile.ZipFile(raw) as source, zipfile.ZipFile(temporary, "w") as target:
            _write_canonical(source, target)
        require_loadable(temporary, OWN_LIMITS)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return {
        **manifest,
        "format": MODEL_FORMAT,
        "sha256": file_sha256(path),
        "size_bytes": path.stat().st_size,
        "versions": {**library_versions(), **manifest.get("versions", {})},
    }


def _write_canonical(source: zipfile.ZipFile, target: zipfile.ZipFile) -> None:
    schema = json.loads(source.read("schema.json"))
    numbers: dict[int, int] = {}
    files: dict[str, str] = {}
    _renumber(schema, numbers, files)
    for old, new in files.items():
        _add(target, new, source.read(old))
    _add(target, "schema.json", json.dumps(schema, separators=(",", ":")).encode())


def _add(target: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, date_time=ZIP_DATE)
    entry.compress_type = zipfile.ZIP_DEFLATED
    target.writestr(entry, content, compresslevel=COMPRESS_LEVEL)


def _renumber(schema: dict[str, Any], numbers: dict[int, int], files: dict[str, str]) -> None:
    """Replace memory addresses by running numbers, from 1, in order of appearance."""
    stack: list[Any] = [schema]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            address = value.get("__id__")
            if isinstance(address, int):
                value["__id__"] = numbers.setdefault(address, len(numbers) + 1)
            name = value.get("file")
            if isinstance(name, str) and "__loader__" in value:
                suffix = Path(name).suffix
                value["file"] = files.setdefault(name, f"{len(files) + 1}{suffix}")
            stack.extend(reversed(list(value.values())))
        elif isinstance(value, list):
            stack.extend(reversed(value))


def load_model(path: Path, manifest: Mapping[str, Any]) -> LoadedModel:
    """Return the model of a file that our own worker wrote.

    Only bytes whose SHA-256 stands in the manifest are rebuilt: scikit-learn's tree and
    neighbour structures cannot be checked for sound indices, so provenance decides (V20-V22).

    Args:
        path: the stored file.
        manifest: the record made by `save_model`.

    Raises:
        EngineError: `model_not_loadable`: other hash, other format, forbidden types, broken file.
    """
    if manifest.get("format") != MODEL_FORMAT:
        raise EngineError(
            NOT_LOADABLE,
            f"Models of the format {manifest.get('format')!r} are kept but not loaded here.",
            file_format=manifest.get("format"),
        )
    expected, found = manifest.get("sha256"), file_sha256(path)
    if not expected or expected != found:
        raise EngineError(
            NOT_LOADABLE,
            "The model file is not the one that was registered: its SHA-256 differs.",
            expected_sha256=expected,
            found_sha256=found,
        )
    require_loadable(path, OWN_LIMITS)
    pipeline = skops.io.load(path, trusted=sorted(ALLOWED_TYPES))
    return LoadedModel(pipeline, dict(manifest), version_warnings(manifest))


def version_warnings(manifest: Mapping[str, Any]) -> list[str]:
    """Return one sentence for each library whose release differs from the one of training."""
    now = library_versions()
    then = manifest.get("versions") or {}
    changed = [
        name
        for name in WATCHED_VERSIONS
        if name in then and _release(then[name]) != _release(now[name])
    ]
    return [
        f"Trained with {name} {then[name]}, running with {now[name]}: predictions may differ "
        "slightly. Train again to be sure."
        for name in changed
    ]


def _release(version: str) -> list[str]:
    return version.split(".")[:2]
