"""Deploy targets behind one interface; `process` is built in, others come as extras or plugins."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vitesse_graph.deployers.base import Deployer
    from vitesse_graph.deployers.factory import DeployerFactory
    from vitesse_graph.deployers.supervisor import ProcessSupervisor, RunningProcess

_WHERE = {
    "Deployer": "base",
    "DeployerFactory": "factory",
    "ProcessSupervisor": "supervisor",
    "RunningProcess": "supervisor",
}

__all__ = ["Deployer", "DeployerFactory", "ProcessSupervisor", "RunningProcess"]


def __getattr__(name: str) -> Any:
    """Loads on first use: the supervising process imports this package and needs none of it."""
    from importlib import import_module

    if name not in _WHERE:
        raise AttributeError(name)
    return getattr(import_module(f"vitesse_graph.deployers.{_WHERE[name]}"), name)
