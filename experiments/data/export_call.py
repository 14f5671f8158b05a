"""The export as an engine-host call: plain values in, plain values out."""

from pathlib import Path
from typing import Any

from experiments.data.export import export_rows
from experiments.data.specs import DatasetSchema


def export(payload: dict[str, Any]) -> dict[str, Any]:
    """Write rows to a file and return {"n_rows"}.

    Args:
        payload: {"table_path", "schema" (JSON), "out_path", "fmt", "safe_csv", "filters"?}.

    Raises:
        EngineError: as `export_rows`.
    """
    n_rows = export_rows(
        Path(payload["table_path"]),
        DatasetSchema.from_json(payload["schema"]),
        Path(payload["out_path"]),
        fmt=payload["fmt"],
        safe_csv=payload["safe_csv"],
        filters=payload.get("filters") or [],
    )
    return {"n_rows": n_rows}
