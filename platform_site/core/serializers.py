"""Serializers that refuse what they do not know, for every body that our own API reads."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers


class StrictSerializer(serializers.Serializer[Any]):
    """A serializer that answers 400 for keys that the client may not set.

    Read-only fields count as unknown, so that nobody believes an ignored ``id`` or ``owner``.
    """

    def to_internal_value(self, data: Any) -> Any:
        """Return the validated values.

        Raises:
            ValidationError: naming every unknown key, or the fields that do not fit.
        """
        if isinstance(data, Mapping):
            writable = {name for name, field in self.fields.items() if not field.read_only}
            unknown = sorted(str(key) for key in data if key not in writable)
            if unknown:
                known = ", ".join(sorted(writable)) or "none"
                raise serializers.ValidationError(
                    {key: [f"Unknown field. Known fields: {known}."] for key in unknown[:20]}
                )
        return super().to_internal_value(data)
