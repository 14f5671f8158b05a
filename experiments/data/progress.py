"""The two callbacks every long engine call carries: telling progress and being stopped."""

from collections.abc import Callable
from dataclasses import dataclass

from experiments.data.specs import EngineError


@dataclass(frozen=True, slots=True)
class Beat:
    """Progress and stop callbacks of one engine call."""

    on_progress: Callable[[float, str], None]
    should_stop: Callable[[], bool]

    def __call__(self, fraction: float, stage: str) -> None:
        """Report `fraction` (0 to 1) of `stage`.

        Raises:
            EngineError: `stopped` when the caller wants the work to end.
        """
        if self.should_stop():
            raise EngineError("stopped", "The work was stopped on request.")
        self.on_progress(min(1.0, max(0.0, fraction)), stage)


def silent() -> Beat:
    """Return a beat that reports nothing and never stops."""
    return Beat(lambda _fraction, _stage: None, lambda: False)
