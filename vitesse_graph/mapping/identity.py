"""Ids: which field identifies the record, and which are made for another system's ids."""

from __future__ import annotations

import numpy as np

from vitesse_graph.mapping.sides import Floats, Ints, Side
from vitesse_graph.mapping.terms import Term
from vitesse_graph.mapping.words import plain_words


def own_ids(side: Side) -> list[bool]:
    """Which fields are the id of the very object they stand in (`id`, `ContactID` in a contact)."""
    found = []
    for f, t in zip(side.fields, side.terms, strict=True):
        parent_words = set(plain_words(f.names[-2])) if len(f.names) > 1 else set()
        narrowed = t.narrowing - parent_words - set(t.context[:1])
        if f.parent == side.root or not f.parent:
            narrowed -= side.resource
        is_reference = "object" in f.place.types and f.type == "string"
        outward = (t.narrowing | set(t.context[:1])) & OUTWARD
        found.append(t.notion == "id" and not narrowed and not is_reference and not outward)
    return found


def record_ids(side: Side) -> list[bool]:
    """Which of them identify the record itself."""
    return [
        own and (f.parent == side.root or not f.parent)
        for own, f in zip(own_ids(side), side.fields, strict=True)
    ]


SECRETS = frozenset(("password", "ssn", "passport_number"))
"""Notions that nothing may send anywhere but to a field of their own kind, whatever a description says."""
OUTWARD = frozenset(
    [
        "external",
        "source",
        "foreign",
        "remote",
        "third",
        "origin",
        "legacy",
        "partner",
        "client",
        "idempotency",
        "integration",
    ]
)
REFERENCE_NOTIONS = frozenset(("external_id", "reference", "dedup_key"))


def is_outward(term: Term) -> bool:
    """A destination field that is meant for another system's id."""
    around = term.narrowing | set(term.context[:1])
    return term.notion in REFERENCE_NOTIONS or (term.notion in ("id", "number") and bool(around & OUTWARD))


def identity_columns(source: Side, dest: Side, si: Ints, di: Ints) -> dict[str, Floats]:
    own_s, own_d = np.array(record_ids(source) or [False]), np.array(own_ids(dest) or [False])
    id_s = np.array([t.notion == "id" for t in source.terms] or [False])
    id_d = np.array([t.notion in ("id",) for t in dest.terms] or [False])
    ref_d = np.array([is_outward(t) for t in dest.terms] or [False])
    return {
        "own_id_to_reference": (own_s[si] & ref_d[di]).astype(float),
        "foreign_id_to_reference": (id_s[si] & ~own_s[si] & ref_d[di]).astype(float),
        "into_own_id": own_d[di].astype(float),
        "source_is_id": id_s[si].astype(float),
        "dest_is_id": (id_d[di] & ~own_d[di]).astype(float),
    }
