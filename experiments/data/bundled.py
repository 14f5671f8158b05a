"""Ready-made datasets that come with scikit-learn, written as CSV with their real descriptions.

The list is light; scikit-learn is only imported when one is written.
"""

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from experiments.data.specs import EngineError


@dataclass(frozen=True, slots=True)
class _Bundled:
    name: str
    title: str
    description: str
    task: str
    target: str
    n_rows: int
    n_columns: int


_SETS = (
    _Bundled(
        "iris", "Iris flowers",
        "Four measurements of 150 flowers of three species (Fisher, 1936).",
        "classification", "species", 150, 5,
    ),
    _Bundled(
        "wine", "Wine recognition",
        "Chemical analysis of 178 Italian wines from three growers.",
        "classification", "grower", 178, 14,
    ),
    _Bundled(
        "breast_cancer", "Breast cancer Wisconsin",
        "Features of 569 cell images, benign or malignant (Wisconsin, 1995).",
        "classification", "diagnosis", 569, 31,
    ),
    _Bundled(
        "digits", "Handwritten digits",
        "1,797 scans of handwritten digits, 8 × 8 pixels with 17 shades.",
        "classification", "digit", 1797, 65,
    ),
    _Bundled(
        "diabetes", "Diabetes progression",
        "Ten baseline figures of 442 patients and the disease a year later (Efron, 2004).",
        "regression", "progression", 442, 11,
    ),
    _Bundled(
        "linnerud", "Linnerud exercises",
        "Three exercises and the weight of 20 middle-aged men.",
        "regression", "weight", 20, 4,
    ),
)  # fmt: skip
_UNITS = {"(cm)": "cm"}
_DIABETES = {
    "age": ("Age", "years"),
    "sex": ("Sex (coded 1 or 2)", ""),
    "bmi": ("Body mass index", "kg/m2"),
    "bp": ("Average blood pressure", "mmHg"),
    "s1": ("Total serum cholesterol (tc)", "mg/dl"),
    "s2": ("Low-density lipoproteins (ldl)", "mg/dl"),
    "s3": ("High-density lipoproteins (hdl)", "mg/dl"),
    "s4": ("Total cholesterol / hdl (tch)", ""),
    "s5": ("Possibly the log of the serum triglycerides level (ltg)", ""),
    "s6": ("Blood sugar level (glu)", "mg/dl"),
}
_EXERCISES = {
    "Chins": ("Chin-ups done", ""),
    "Situps": ("Sit-ups done", ""),
    "Jumps": ("Jumping jacks done", ""),
}

Column = tuple[str, str, str, Sequence[Any]]


def bundled_datasets() -> list[dict[str, Any]]:
    """Return [{name, title, description, task, target, n_rows, n_columns, file_name}]."""
    return [asdict(item) | {"file_name": f"{item.name}.csv"} for item in _SETS]


def write_bundled(name: str, out_path: Path) -> dict[str, Any]:
    """Write one bundled dataset to `out_path` as CSV and return its entry of the list.

    Descriptions and units stand in a comment preamble that `ingest` understands.

    Raises:
        EngineError: `unknown_dataset`.
    """
    entry = next((item for item in bundled_datasets() if item["name"] == name), None)
    if entry is None:
        known = ", ".join(item.name for item in _SETS)
        raise EngineError("unknown_dataset", f"There is no bundled dataset “{name}”; try {known}.")
    columns = _columns(name, entry["target"])
    with out_path.open("w", encoding="utf-8", newline="") as handle:
        write_described_csv(handle, entry["title"], entry["description"], columns)
    return entry


def write_described_csv(
    handle: Any, title: str, description: str, columns: Sequence[Column]
) -> None:
    """Write columns (name, description, unit, values) as CSV below a `# COLUMN` preamble."""
    for line in (title, description):
        handle.write(f"# {_one_line(line)}\n")
    handle.write("#\n")
    for name, text, unit, _ in columns:
        suffix = f" [{_one_line(unit)}]" if unit else ""
        handle.write(f"# COLUMN {name}: {_one_line(text)}{suffix}\n")
    writer = csv.writer(handle, lineterminator="\n")
    writer.writerow([name for name, *_ in columns])
    writer.writerows(zip(*(values for *_, values in columns), strict=True))


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _columns(name: str, target: str) -> list[Column]:
    from sklearn import datasets

    if name == "diabetes":
        bunch = datasets.load_diabetes(scaled=False)
        made = [
            (key, *_DIABETES[key], [float(v) for v in bunch.data[:, n]])
            for n, key in enumerate(bunch.feature_names)
        ]
        text = "Measure of disease progression one year after baseline"
        return [*made, (target, text, "", [float(v) for v in bunch.target])]
    if name == "linnerud":
        bunch = datasets.load_linnerud()
        made = [
            (key.lower(), *_EXERCISES[key], [int(v) for v in bunch.data[:, n]])
            for n, key in enumerate(bunch.feature_names)
        ]
        return [*made, (target, "Body weight", "lb", [int(v) for v in bunch.target[:, 0]])]
    return _classified(datasets, name, target)


def _classified(datasets: Any, name: str, target: str) -> list[Column]:
    bunch = getattr(datasets, f"load_{name}")()
    made: list[Column] = []
    for n, original in enumerate(bunch.feature_names):
        plain, unit = original, ""
        for suffix, short in _UNITS.items():
            if original.endswith(suffix):
                plain, unit = original.removesuffix(suffix).strip(), short
        column = plain.replace(" ", "_").replace("/", "_")
        values = [float(value) for value in bunch.data[:, n]]
        if name == "digits":
            values = [int(value) for value in values]
        made.append((column, plain.replace("_", " ").capitalize(), unit, values))
    labels = [str(label) for label in bunch.target_names]
    made.append((target, f"The {target} to predict", "", [labels[code] for code in bunch.target]))
    return made
