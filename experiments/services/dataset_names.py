"""Names that people give to datasets, and names of their files: one canonical, visible form."""

import re
import unicodedata

from experiments.models import Dataset
from platform_site.core.errors import Invalid
from platform_site.core.names import HIDDEN_CATEGORIES, canonical_name

MAX_NAME_CHARS = 200
MAX_FILE_NAME_CHARS = 255
DATA_SUFFIX = re.compile(r"\.(csv|tsv|tab|txt|json|jsonl|ndjson|parquet|pq)(\.gz)?$|\.gz$", re.I)


def clean_name(name: str) -> str:
    """Return the canonical form of a dataset's name.

    Raises:
        Invalid: when the name is empty, too long, or holds characters that nobody can see.
    """
    return canonical_name(name, field="name", max_chars=MAX_NAME_CHARS)


def clean_description(text: str) -> str:
    """Return the description without NUL, which not every database can hold.

    Raises:
        Invalid: when it is too long.
    """
    limit = Dataset._meta.get_field("description").max_length or 0
    if len(text) > limit:
        raise Invalid(
            f"The description has {len(text)} characters; at most {limit} are allowed.",
            field="description",
        )
    return text.replace("\x00", "").strip()


def clean_file_name(file_name: str) -> str:
    """Return what to show as the file's name: its last part, visible characters only."""
    last = re.split(r"[/\\]", file_name)[-1]
    visible = "".join(char for char in last if unicodedata.category(char) not in HIDDEN_CATEGORIES)
    return " ".join(unicodedata.normalize("NFC", visible).split())[-MAX_FILE_NAME_CHARS:] or "file"


def name_from_file(file_name: str) -> str:
    """Return the dataset's name to use when none was given: the file's without its ending."""
    cleaned = clean_file_name(file_name)
    return (DATA_SUFFIX.sub("", cleaned).strip() or cleaned)[:MAX_NAME_CHARS].strip()
