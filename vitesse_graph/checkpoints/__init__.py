"""LangGraph's checkpoints in Postgres: the saver, one writer per thread, restore."""

from vitesse_graph.checkpoints.limiter import SharedStateLimiter
from vitesse_graph.checkpoints.saver import PatientPostgresSaver, open_pool, open_saver, strict_serializer

__all__ = ["PatientPostgresSaver", "SharedStateLimiter", "open_pool", "open_saver", "strict_serializer"]
