"""Watching for wishes while an evaluation works: a wish becomes an exception between pieces."""

from collections.abc import Callable

from experiments.training.hooks import Hooks, Wish


class InterruptedByUser(Exception):
    """The user wants to pause or stop; carries the wish."""

    def __init__(self, wish: Wish) -> None:
        super().__init__(wish)
        self.wish = wish


class Watch:
    """Passes stages on and turns a wish into an exception between pieces."""

    def __init__(self, hooks: Hooks) -> None:
        self.hooks = hooks

    def check(self) -> None:
        """Raise if the user wants to pause or stop."""
        wish = self.hooks.should_stop()
        if wish is not None:
            raise InterruptedByUser(wish)

    def fraction(self, stage: str, low: float = 0.0, high: float = 1.0) -> Callable[[float], None]:
        """Return a function that reports a fraction of a part of a stage."""
        return lambda done: self.hooks.stage(stage, low + (high - low) * done)
