"""The files beside a model of ours with which clients of the tracking protocol can load it.

The model file itself is skops; a client rebuilds it with scikit-learn and skops in its own process,
trusting the types that are named here, all of them from our frozen allowlist.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import skops.io

from registry.serving.allowlist import ALLOWED_TYPES

MODEL_FILE: Final = "model.skops"
DESCRIPTION_FILE: Final = "MLmodel"
REQUIREMENTS_FILE: Final = "requirements.txt"
PYTHON_FILE: Final = "python_env.yaml"
LIBRARIES: Final = ("scikit-learn", "numpy", "scipy", "pandas", "skops")


def client_files(manifest: Mapping[str, Any], model_path: Path, *, run_uuid: str) -> dict[str, str]:
    """Return the text of each file beside the model file, by name.

    Args:
        manifest: complete, as `save_model` returned it.
        model_path: the finished model file.
        run_uuid: the run that made it.
    """
    versions: Mapping[str, str] = manifest["versions"]
    requirements = [f"{name}=={versions[name]}" for name in LIBRARIES if name in versions]
    return {
        DESCRIPTION_FILE: _description(manifest, model_path, run_uuid),
        REQUIREMENTS_FILE: "".join(f"{line}\n" for line in requirements),
        PYTHON_FILE: (
            f"python: {json.dumps(versions['python'])}\ndependencies:\n- -r {REQUIREMENTS_FILE}\n"
        ),
    }


def _description(manifest: Mapping[str, Any], model_path: Path, run_uuid: str) -> str:
    versions = manifest["versions"]
    # What skops does not trust by itself; `save_model` has checked that all of it is allowed.
    trusted = sorted(set(skops.io.get_untrusted_types(file=model_path)) & ALLOWED_TYPES)
    flavors = {
        "python_function": {
            "env": {"virtualenv": PYTHON_FILE},
            "loader_module": "mlflow.sklearn",
            "model_path": MODEL_FILE,
            "predict_fn": "predict",
            "python_version": versions["python"],
        },
        "sklearn": {
            "code": None,
            "pickled_model": MODEL_FILE,
            "serialization_format": "skops",
            "sklearn_version": versions["scikit-learn"],
            "skops_trusted_types": trusted,
        },
    }
    description = {
        "artifact_path": "model",
        "flavors": flavors,
        "model_size_bytes": manifest["size_bytes"],
        "run_id": run_uuid,
    }
    return "".join(_yaml_lines(description, ""))


def _yaml_lines(value: Mapping[str, Any], indent: str) -> list[str]:
    """Return nested mappings as YAML; every other value stands as JSON, which YAML contains."""
    lines: list[str] = []
    for key, inner in value.items():
        if isinstance(inner, Mapping):
            lines += [f"{indent}{key}:\n", *_yaml_lines(inner, indent + "  ")]
        elif isinstance(inner, list) and inner:
            lines.append(f"{indent}{key}:\n")
            lines += [f"{indent}- {json.dumps(item)}\n" for item in inner]
        else:
            lines.append(f"{indent}{key}: {json.dumps(inner)}\n")
    return lines
