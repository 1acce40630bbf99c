"""What can go wrong, as a table: how it is brought about, and what would be the right answer.

`causes` are the causes that count as right. `answer` is what should come of it: `heal` (it works
again by itself), `person` (rightly handed over), `nothing` (no alarm at all is right).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from vitesse_graph.chaos.breaks import Injected, both
from vitesse_graph.chaos.other_breaks import (
    dest_moved,
    down,
    expired,
    forbidden,
    limited,
    revoked,
    slow,
    source_host_changed,
    source_moved,
    wrong_values,
)
from vitesse_graph.chaos.schema_breaks import (
    announced_only,
    dest_dropped,
    dest_enum_grown,
    dest_renamed,
    dest_required,
    dest_retyped,
    enum_shrunk,
    source_dropped,
    source_enum_grown,
    source_renamed,
    source_required,
    source_retyped,
    unmapped_changed,
    version_bumped,
)
from vitesse_graph.chaos.world import World

Answer = Literal["heal", "person", "nothing"]


@dataclass(frozen=True, kw_only=True)
class Case:
    name: str
    inject: Callable[[World], Injected]
    causes: tuple[tuple[str, str], ...]
    """Each of (cause, side) must be named; empty: no alarm is right."""
    answer: tuple[Answer, ...]


SOURCE, DEST = ("source_schema_changed", "source"), ("dest_schema_changed", "dest")
CASES: tuple[Case, ...] = (
    Case(name="source field renamed, announced", inject=source_renamed(None, True), causes=(SOURCE,), answer=("heal",)),
    Case(name="source field renamed, not announced", inject=source_renamed(None, False), causes=(SOURCE,), answer=("heal",)),
    Case(name="optional source field renamed", inject=source_renamed(False, True), causes=(SOURCE,), answer=("heal",)),
    Case(name="source field dropped", inject=source_dropped, causes=(SOURCE,), answer=("heal",)),
    Case(name="source field retyped", inject=source_retyped, causes=(SOURCE,), answer=("heal",)),
    Case(name="destination field renamed, announced", inject=dest_renamed(True), causes=(DEST,), answer=("heal",)),
    Case(name="destination field renamed, not announced", inject=dest_renamed(False), causes=(DEST,), answer=("person",)),
    Case(name="destination field dropped", inject=dest_dropped, causes=(DEST,), answer=("heal",)),
    Case(name="destination field retyped", inject=dest_retyped, causes=(DEST,), answer=("heal",)),
    Case(name="destination field newly required", inject=dest_required, causes=(DEST,), answer=("person",)),
    Case(name="destination takes listed values only", inject=enum_shrunk, causes=(DEST,), answer=("heal", "person")),
    Case(name="source field newly required", inject=source_required, causes=(), answer=("nothing",)),
    Case(name="source lists a value more", inject=source_enum_grown, causes=(SOURCE,), answer=("heal", "person")),
    Case(name="destination lists a value more", inject=dest_enum_grown, causes=(), answer=("nothing",)),
    Case(name="announced for tomorrow", inject=announced_only, causes=(DEST,), answer=("heal",)),
    Case(name="unmapped field dropped", inject=unmapped_changed, causes=(), answer=("nothing",)),
    Case(name="version bumped", inject=version_bumped, causes=(), answer=("nothing",)),
    Case(name="source endpoint moved", inject=source_moved, causes=(("endpoint_moved", "source"),), answer=("heal",)),
    Case(name="destination endpoint moved", inject=dest_moved, causes=(("endpoint_moved", "dest"),), answer=("heal",)),
    Case(name="source host changed", inject=source_host_changed, causes=(("base_url_changed", "source"),), answer=("heal",)),
    Case(name="source token expired", inject=expired("source"), causes=(("auth_expired", "source"),), answer=("heal",)),
    Case(name="destination token revoked", inject=revoked("dest"), causes=(("auth_expired", "dest"),), answer=("person",)),
    Case(name="permission lost", inject=forbidden, causes=(("permission_lost", "dest"),), answer=("person",)),
    Case(name="limit lowered", inject=limited, causes=(("rate_limit_lowered", "dest"),), answer=("heal", "nothing")),
    Case(name="destination down (503)", inject=down("dest", "503"), causes=(("outage", "dest"),), answer=("heal",)),
    Case(name="source down (connections cut)", inject=down("source", "dropped"), causes=(("outage", "source"),), answer=("heal",)),
    Case(name="source slow", inject=slow, causes=(), answer=("nothing",)),
    Case(name="wrong values that validate", inject=wrong_values, causes=(("data_quality", "source"),), answer=("person",)),
    Case(
        name="renamed at the source, token expired at the destination",
        inject=both(source_renamed(None, True), expired("dest")),
        causes=(SOURCE, ("auth_expired", "dest")),
        answer=("heal",),
    ),
    Case(
        name="renamed at the destination during an outage there",
        inject=both(dest_renamed(True), down("dest", "503")),
        causes=(DEST, ("outage", "dest")),
        answer=("heal",),
    ),
)  # fmt: skip
