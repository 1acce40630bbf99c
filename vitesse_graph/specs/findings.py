"""What was passed over while reading a document, collected once each."""

from __future__ import annotations

from vitesse_graph.state.api_spec import SpecWarning

MAX_WARNINGS = 500


class Findings:
    """Warnings in the order in which they were met; the same code at the same place counts once."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str, str], SpecWarning] = {}
        self.passed_over = 0

    def add(self, code: str, message: str, pointer: str = "") -> None:
        key = (code, pointer, "" if pointer else message)
        if key in self._seen:
            return
        if len(self._seen) >= MAX_WARNINGS:
            self.passed_over += 1
            return
        self._seen[key] = SpecWarning(code=code, message=message, pointer=pointer)

    def list(self) -> list[SpecWarning]:
        found = list(self._seen.values())
        if self.passed_over:
            found.append(
                SpecWarning(code="more", message=f"{self.passed_over} further warnings are not listed")
            )
        return found


def escape(token: str) -> str:
    """One token of a JSON pointer (RFC 6901)."""
    return token.replace("~", "~0").replace("/", "~1")


def unescape(token: str) -> str:
    return token.replace("~1", "/").replace("~0", "~")
