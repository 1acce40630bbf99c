"""Every error that Vitesse raises on purpose.

    VitesseError
    ├── InputError            the caller can mend it: bad file, bad option, bad decision      exit 2 / HTTP 400, 422
    │   ├── SpecError         the document is not an API specification, or holds nothing usable
    │   ├── MappingError      a path does not exist, a transform cannot be built
    │   └── DecisionError     the answer to a review gate is malformed
    ├── NotFoundError         no such integration, endpoint, dead letter                       exit 2 / HTTP 404
    ├── ConflictError         the thread is busy, or the step was answered differently before   exit 1 / HTTP 409
    ├── UpstreamError         an API beyond us failed or refused                               exit 1 / HTTP 502
    │   └── RefusedAddress    our own guard refuses to call that address
    └── DeployError           the workload did not become healthy; carries the last log lines   exit 1 / HTTP 502

A message is one line: what failed, where, and what to do next. It never holds a secret or a
record's value. Problems in customers' documents and data are findings (values), not exceptions.
"""

from __future__ import annotations


class VitesseError(RuntimeError):
    """Root of the tree; `str(error)` is fit to be shown to a person.

    A RuntimeError because the LangGraph server shows the messages of Python's own kinds to clients
    and replaces all others by "an internal error occurred".
    """


class InputError(VitesseError):
    """The caller gave something that cannot be used, and can mend it."""


class SpecError(InputError):
    """A document that is no API specification, or in which nothing usable could be read."""


class MappingError(InputError):
    """A mapping names a path that does not exist, or a transform that cannot be built."""


class DecisionError(InputError):
    """An answer to a review gate that cannot be understood; the gate stays answerable."""


class NotFoundError(VitesseError):
    """The thing named does not exist."""


class ConflictError(VitesseError):
    """Another run holds the thread, or the gate was already answered differently."""


class UpstreamError(VitesseError):
    """An API or server beyond us failed, refused, or answered what it must not."""

    def __init__(self, message: str, *, status: int | None = None, is_transient: bool = True) -> None:
        super().__init__(message)
        self.status = status
        self.is_transient = is_transient


class RefusedAddress(UpstreamError):
    """The guarded HTTP client will not call this address (private, metadata, scheme …)."""

    def __init__(self, message: str) -> None:
        super().__init__(message, is_transient=False)


class DeployError(VitesseError):
    """A workload did not become healthy. `log_tail` holds its last lines, secrets removed."""

    def __init__(self, message: str, *, log_tail: str = "") -> None:
        super().__init__(message)
        self.log_tail = log_tail
