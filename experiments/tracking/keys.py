"""Names of metrics, params and tags as numbers, through one dictionary that only grows."""

from collections.abc import Iterable, Mapping
from typing import Final

from experiments.tracking.database import Database
from platform_site.core.errors import Invalid
from platform_site.core.texts import storable

MAX_KEY_CHARS: Final = 250
MAX_KNOWN: Final = 200_000
FIND: Final = "SELECT name, id FROM experiments_key WHERE name IN (??)"


def is_storable(name: str) -> bool:
    """Whether the dictionary can hold the name."""
    try:
        checked(name)
    except Invalid:
        return False
    return True


def checked(name: str) -> str:
    """Return the name as it is.

    Raises:
        Invalid: when the dictionary cannot hold it.
    """
    if not name:
        raise Invalid("A name has at least one character.")
    return storable(name, field="name", max_chars=MAX_KEY_CHARS)


class KeyBook:
    """Numbers that a process knows; what its open transaction found counts only after the commit."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}
        self._staged: dict[str, int] = {}

    def find(self, db: Database, names: set[str]) -> None:
        """Look up those that are not known yet, without making any."""
        missing = [name for name in self._unknown(names) if is_storable(name)]
        if missing:
            self._staged.update(db.rows_in(FIND, missing))

    def make(self, db: Database, names: set[str]) -> None:
        """Make sure that all have a number, inside the caller's transaction."""
        # Sorted: two processes that make the same names wait for each other, never in a circle.
        missing = sorted(self._unknown(names))
        if missing:
            db.insert(
                "INSERT INTO experiments_key (name)",
                "(?)",
                "ON CONFLICT (name) DO NOTHING",
                [(name,) for name in missing],
            )
            self._staged.update(db.rows_in(FIND, missing))

    def _unknown(self, names: set[str]) -> set[str]:
        unknown = names.difference(self._known)
        return unknown.difference(self._staged) if unknown else unknown

    def get(self, name: str) -> int | None:
        """Return the number, None when it is not known."""
        number = self._known.get(name)
        return self._staged.get(name) if number is None else number

    def numbers(self) -> Mapping[str, int]:
        """Return a mapping that is right until the transaction ends, for many look-ups."""
        return {**self._known, **self._staged} if self._staged else self._known

    def commit(self) -> None:
        """Remember what was found, since the transaction is committed."""
        if self._staged:
            if len(self._known) + len(self._staged) > MAX_KNOWN:
                self._known.clear()
            self._known.update(self._staged)
            self._staged.clear()

    def roll_back(self) -> None:
        """Forget everything, since the transaction failed, perhaps because of a wrong number."""
        self._known.clear()
        self._staged.clear()


def key_ids(names: Iterable[str]) -> dict[str, int]:
    """Return the number of each name, made if new, inside the caller's (Django's) transaction."""
    wanted = set(names)
    book = KeyBook()
    book.make(Database.of_django(), wanted)
    numbers = book.numbers()
    return {name: numbers[name] for name in wanted}
