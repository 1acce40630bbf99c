"""Which written fields the destination keeps, over time, and which it has begun to ignore. Pure.

A field counts as kept once it has come back in nine of ten records, and three at least. From then on, the last three records that
carried it coming back without it is a change at the destination, which no error and no document
tells. A field that never came back (write-only, or shown elsewhere) is never judged.
"""

from __future__ import annotations

from collections.abc import Collection

from pydantic import Field

from vitesse_graph.state.base import Model
from vitesse_graph.state.definition import RuntimeStatus
from vitesse_graph.state.health import DriftItem

ENOUGH = 3
"""Records from which on something is said, either way."""
RELIED_ON, DOUBTED = 0.9, 0.75
"""Shares of the remembered records that brought a field back: from the one on it is counted on, and under
the other no longer."""
_MARKS = 12
MAX_FIELDS = 300
MAX_OTHERS = 100


class FieldFates(Model):
    """What is remembered of one integration's read-backs."""

    last_run: str = ""
    marks: dict[str, str] = Field(default_factory=dict)
    """By written field, oldest first: `k` came back, `a` came back empty or not at all."""
    kept: list[str] = Field(default_factory=list)
    """Fields that were known to come back, under whichever version."""
    others: list[str] = Field(default_factory=list)
    """Names beside them that answers had while all was well."""
    newcomers: list[str] = Field(default_factory=list)
    """Names that answers have since something no longer comes back."""

    def take(self, status: RuntimeStatus) -> bool:
        """Takes a status in; False when it tells nothing new."""
        found = status.read_back
        if found is None or found.run_id == self.last_run:
            return False
        self.last_run = found.run_id
        for path, figures in found.fields.items():
            if path not in self.marks and len(self.marks) >= MAX_FIELDS:
                continue
            shown = figures.kept + figures.changed
            came = "k" * shown + "a" * (figures.sent - shown)
            # within one run the order is not known: what still comes back counts as the latest
            marks = self.marks.get(path, "") + came[::-1]
            self.marks[path] = marks[-_MARKS:]
            self._weigh(path)
        names = set(found.others)
        if self.ignored():
            self.newcomers = sorted({*self.newcomers, *(names - set(self.others))} & names)[:MAX_OTHERS]
        else:
            self.others = sorted({*self.others, *names})[:MAX_OTHERS]
            self.newcomers = []
        return True

    def _weigh(self, path: str) -> None:
        """A field that comes and goes (an API that drops what it finds invalid) is not counted on."""
        marks = self.marks[path]
        shown = marks.count("k")
        if shown >= ENOUGH and shown >= RELIED_ON * len(marks):
            self.kept = list(dict.fromkeys([*self.kept, path]))
        elif marks.endswith("k") and shown < DOUBTED * len(marks):
            self.kept = [one for one in self.kept if one != path]

    def forget_marks(self) -> None:
        """Another version writes now: what comes back is counted anew, what was known to be kept is not."""
        self.marks, self.newcomers = {}, []

    def ignored(self) -> list[str]:
        """Fields that were kept and no longer are."""
        return [path for path in self.kept if self.marks.get(path, "").endswith("a" * ENOUGH)]

    def drift(self) -> list[DriftItem]:
        """The ignored fields as drift of the destination."""
        hint = f"; answers have instead: {', '.join(self.newcomers[:5])}" if self.newcomers else ""
        return [
            DriftItem(
                kind="field_ignored",
                side="dest",
                severity="breaking",
                path=path,
                confidence=0.95,
                detail="is accepted and no longer kept: records read back lack it, which had it before"
                + hint,
                affects=[path],
            )
            for path in self.ignored()
        ]


def with_ignored(items: Collection[DriftItem], fates: FieldFates) -> list[DriftItem]:
    """The items with those of the read-back, each once."""
    told = {item.path for item in items if item.kind == "field_ignored"}
    return [*items, *(item for item in fates.drift() if item.path not in told)]
