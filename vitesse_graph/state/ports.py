"""What domain packages may expect of each other without importing each other."""

from __future__ import annotations

from typing import Protocol

from vitesse_graph.state.api_spec import (
    ApiSpec,
    DestShape,
    EndpointCandidate,
    OperationDetail,
    SourceShape,
)


class SpecReader(Protocol):
    """A parsed specification: `specs.SpecDocument` is the one implementation.

    Methods are synchronous and cached; the first call on a large document may take tens of
    milliseconds, so async callers go through a thread.
    """

    @property
    def spec(self) -> ApiSpec:
        """The API with its whole endpoint index; no schemas."""
        ...

    def operation(self, key: str) -> OperationDetail:
        """One operation, resolved. `key` is `GET /path`. Raises NotFoundError."""
        ...

    def rank(self, intent: str, role: str, limit: int = 5) -> list[EndpointCandidate]:
        """Endpoints that fit the intent as `source` (lists) or `dest` (creates), best first."""
        ...

    def source_shape(self, key: str) -> SourceShape:
        """What reading this endpoint gives. Raises SpecError when it returns no records."""
        ...

    def dest_shape(self, key: str) -> DestShape:
        """What writing to this endpoint takes. Raises SpecError when it takes no body."""
        ...
