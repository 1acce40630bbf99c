"""The deployed integration: a sync engine with a ledger, a small HTTP surface, a schedule.

What is imported here imports no graph, no model, no cloud SDK: a deployed image stays small.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vitesse_graph.runtime.dead_letters import (
        drop_dead_letters,
        forget,
        list_dead_letters,
        recent_records,
        retry_dead_letters,
    )
    from vitesse_graph.runtime.engine import SyncEngine, SyncRequest, open_store, run_sync
    from vitesse_graph.runtime.previews import Preview, preview
    from vitesse_graph.runtime.provenance import explain
    from vitesse_graph.runtime.store import Store

_WHERE = {
    "SyncEngine": "engine",
    "SyncRequest": "engine",
    "open_store": "engine",
    "run_sync": "engine",
    "Store": "store",
    "explain": "provenance",
    "Preview": "previews",
    "preview": "previews",
    "drop_dead_letters": "dead_letters",
    "forget": "dead_letters",
    "list_dead_letters": "dead_letters",
    "recent_records": "dead_letters",
    "retry_dead_letters": "dead_letters",
}

__all__ = [
    "Preview",
    "Store",
    "SyncEngine",
    "SyncRequest",
    "drop_dead_letters",
    "explain",
    "forget",
    "list_dead_letters",
    "open_store",
    "preview",
    "recent_records",
    "retry_dead_letters",
    "run_sync",
]


def __getattr__(name: str) -> Any:
    """Loads on first use: the process that only deploys pays for no engine."""
    from importlib import import_module

    if name not in _WHERE:
        raise AttributeError(name)
    return getattr(import_module(f"vitesse_graph.runtime.{_WHERE[name]}"), name)
