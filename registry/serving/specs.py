"""Light vocabulary of serving: the manifest beside a model file (standard library only)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

MODEL_FORMAT = "skops"
MAX_INSTANT_ROWS = 1_000
MAX_EXPLAINED_ROWS = 20
INPUT_MISMATCH = "input_schema_mismatch"
NOT_LOADABLE = "model_not_loadable"

# What a person types for each column type.
EXPECTED_WORDS = {
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "datetime": "a date or date and time (ISO 8601)",
    "category": "a text value",
    "text": "a text value",
}


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """One input column of a model: type, whether it may be missing, and what training saw."""

    name: str
    type: str
    nullable: bool = True
    unit: str = ""
    description: str = ""
    levels: tuple[str, ...] | None = None
    example: Any = None
    min: float | None = None
    max: float | None = None

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Build from a manifest's entry; unknown keys are ignored."""
        levels = data.get("levels")
        return cls(
            name=str(data["name"]),
            type=str(data["type"]),
            nullable=bool(data.get("nullable", True)),
            unit=str(data.get("unit") or ""),
            description=str(data.get("description") or ""),
            levels=None if levels is None else tuple(levels),
            example=data.get("example"),
            min=data.get("min"),
            max=data.get("max"),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the manifest's entry."""
        return {
            "name": self.name,
            "type": self.type,
            "nullable": self.nullable,
            "unit": self.unit,
            "description": self.description,
            "levels": None if self.levels is None else list(self.levels),
            "example": self.example,
            "min": self.min,
            "max": self.max,
        }


@dataclass(frozen=True, slots=True)
class InputContract:
    """Which columns a model wants, in its own order, and which others it knows but ignores."""

    features: tuple[FeatureSpec, ...]
    ignored: frozenset[str] = field(default_factory=frozenset)

    @property
    def names(self) -> list[str]:
        """Input column names in the order the model was trained with."""
        return [feature.name for feature in self.features]

    @classmethod
    def from_manifest(cls, manifest: Mapping[str, Any]) -> Self:
        """Read the contract of a manifest."""
        return cls(
            features=tuple(FeatureSpec.from_json(item) for item in manifest["features"]),
            ignored=frozenset(manifest.get("ignored_columns", ())),
        )
