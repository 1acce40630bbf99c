"""The routes, one module for each part of the address space."""

from fastapi import APIRouter

from vitesse_graph.api.routes import (
    care,
    general,
    history,
    integrations,
    keys,
    mapping,
    records,
    running,
    steps,
)

MODULES = (general, integrations, steps, mapping, running, records, care, history, keys)


def all_routes(prefix: str) -> APIRouter:
    """One router with everything under `prefix`."""
    router = APIRouter(prefix=prefix)
    for module in MODULES:
        router.include_router(module.router)
    return router
