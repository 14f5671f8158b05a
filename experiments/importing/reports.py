"""What an import found, brought and could not bring; printed at the end, decides the exit status."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from experiments.importing.tallies import Tallies, Tally

MOST_LINES: Final = 100
KINDS: Final = (
    "experiments", "experiment tags", "runs", "params", "tags", "points", "datasets",
    "run artifacts", "logged models", "model metrics", "model artifacts", "runs' models",
    "registered models", "versions", "aliases",
)  # fmt: skip


@dataclass(slots=True)
class Report:
    """Tallies of both sides by kind, and every difference by name."""

    theirs: Tallies = field(default_factory=dict)
    ours: Tallies = field(default_factory=dict)
    added: dict[str, int] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    renumbered: dict[str, str] = field(default_factory=dict)

    def compare(self, where: str, theirs: Tallies, ours: Tallies) -> None:
        """Add both sides of one object to the totals; remember where they differ."""
        for kind in KINDS:
            left, right = theirs.get(kind, Tally()), ours.get(kind, Tally())
            self.theirs.setdefault(kind, Tally()).merge(left)
            self.ours.setdefault(kind, Tally()).merge(right)
            if left != right:
                counts = f"{left.count} there, {right.count} here"
                self.differences.append(f"{where}: {kind} differ ({counts})")

    def add(self, kind: str, count: int = 1) -> None:
        """Count what was written."""
        if count:
            self.added[kind] = self.added.get(kind, 0) + count

    @property
    def is_clean(self) -> bool:
        """Whether everything of the source is here, as it is there."""
        return not self.differences and not self.left_out

    def lines(self) -> Iterator[str]:
        """Yield the report as lines of text."""
        yield f"{'':20}{'source':>12}{'here':>12}{'written':>12}  digest of the source"
        for kind in KINDS:
            left, right = self.theirs.get(kind, Tally()), self.ours.get(kind, Tally())
            if left.count or right.count or kind in self.added:
                same = left.digest if left == right else f"{left.digest} DIFFERS"
                written = self.added.get(kind, 0)
                yield f"{kind:20}{left.count:12,}{right.count:12,}{written:12,}  {same}"
        for old, new in self.renumbered.items():
            yield f"experiment {old} of the source has the number {new} here"
        yield from _some("different:", self.differences)
        yield from _some("left out:", self.left_out)
        yield "Everything is here." if self.is_clean else "Not everything is here; see above."


def _some(word: str, lines: list[str]) -> Iterator[str]:
    yield from (f"{word} {line}" for line in lines[:MOST_LINES])
    if len(lines) > MOST_LINES:
        yield f"{word} … and {len(lines) - MOST_LINES} more"
