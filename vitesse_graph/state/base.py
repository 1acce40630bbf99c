"""What all models on the whiteboard share."""

from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """Plain data. Unknown keys are dropped, so that a newer version's threads still load.

    Errors never repeat the value: it may be a secret somebody put in the wrong place.
    """

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    def dump(self) -> dict[str, Any]:
        """The model as plain JSON values: the only form in which it enters a channel."""
        return self.model_dump(mode="json")

    def evolve(self, **changes: Any) -> Self:
        """A copy with these fields replaced (shallow; validated)."""
        return type(self).model_validate({**self.model_dump(), **changes})
