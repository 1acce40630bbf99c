"""Objects that only hold a value: `city: {"value": …}` is the city, however often it is wrapped so."""

from __future__ import annotations

from dataclasses import replace

from vitesse_graph.mapping.schema import Field

_WRAPS = "value"


def unwrapped(f: Field) -> Field:
    """The field without such objects among its names; its path stays what it is.

    An object counts where `value` is all it holds. An array's entries are left alone, as
    `phones[].value` is told from its neighbours by what stands beside it.
    """
    dropped = [at for at in range(1, len(f.names)) if _is_wrapper(f, at)]
    if not dropped:
        return f
    kept = [at for at in range(len(f.names)) if at not in dropped]
    moved = {at: max(k for k, old in enumerate(kept) if old <= at) for at in range(len(f.names))}
    parent = f.parent
    if len(f.names) - 1 in dropped:
        parent = parent.rpartition(".")[0]
    return replace(
        f,
        names=tuple(f.names[at] for at in kept),
        array_at=tuple(sorted({moved[at] for at in f.array_at})),
        ancestors=tuple(f.ancestors[at] for at in kept),
        parent=parent,
    )


def _is_wrapper(f: Field, at: int) -> bool:
    return (
        f.names[at].lower() == _WRAPS
        and len(f.ancestors) == len(f.names)
        and len(f.ancestors[at].properties) == 1
        and at - 1 not in f.array_at
    )
