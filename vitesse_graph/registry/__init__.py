"""The read model in Postgres: integrations, deployed versions, test results, audit log."""

from vitesse_graph.registry.store import IntegrationRow, Registry

__all__ = ["IntegrationRow", "Registry"]
