"""What the factory knows before it starts, and what it learns.

`discover` and `discover_pair` work from the catalogue alone. The vector store, its embedder and
the harvester are imported when they are first asked for; without the extra `knowledge` the
catalogue's lexical search still serves.
"""

from vitesse_graph.knowledge.discovery import discover, discover_pair

__all__ = ["discover", "discover_pair"]
