"""Numbers of versions: each is given once, even if its version is deleted."""

from datetime import datetime

from registry.models import RegisteredModel


def next_number(model: RegisteredModel, moment: datetime) -> int:
    """Return the model's next version number; its row is locked by the caller's transaction."""
    model.last_number += 1
    model.updated_at = moment
    model.save(update_fields=["last_number", "updated_at"])
    return model.last_number
