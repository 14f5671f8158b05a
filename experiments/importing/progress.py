"""Saying how far an import is: one moving line on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from typing import Final, TextIO

MOVING_EVERY_S: Final = 0.2
PLAIN_EVERY_S: Final = 10.0
BAR_WIDTH: Final = 30
LINE_WIDTH: Final = 78


class Progress:
    """Counts what is done and shows it.

    Args:
        out: where it goes.
        expected: how many of which kind make a whole, as far as known.
    """

    def __init__(self, out: TextIO, expected: dict[str, int]) -> None:
        self.out = out
        self.expected = expected
        self.done: dict[str, int] = {}
        self.is_moving = out.isatty()
        self._shown_s = time.monotonic()

    def __call__(self, what: str) -> None:
        """Count one more, and show all if it is time."""
        self.done[what] = self.done.get(what, 0) + 1
        passed_s = time.monotonic() - self._shown_s
        if passed_s >= (MOVING_EVERY_S if self.is_moving else PLAIN_EVERY_S):
            self.show()

    def show(self) -> None:
        """Show where we are."""
        self._shown_s = time.monotonic()
        if self.is_moving:
            self.out.write(f"\r{self.line():{LINE_WIDTH}.{LINE_WIDTH}}")
        else:
            self.out.write(f"{self.line()}\n")
        self.out.flush()

    def line(self) -> str:
        """Return the state as one line."""
        counts = ", ".join(
            f"{count:,}{self._of(what)} {what}"
            for what, count in self.done.items()
            if not what.startswith("experiment ")
        )
        total = sum(self.expected.values())
        if not total:
            return counts or "reading"
        share = min(1.0, sum(self.done.get(what, 0) for what in self.expected) / total)
        filled = round(share * BAR_WIDTH)
        return f"[{'#' * filled}{'.' * (BAR_WIDTH - filled)}] {share:4.0%} {counts}"

    def finish(self) -> None:
        """End the moving line."""
        self.show()
        if self.is_moving:
            self.out.write("\n")

    def _of(self, what: str) -> str:
        return f" of {self.expected[what]:,}" if what in self.expected else ""
