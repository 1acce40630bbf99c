"""From a target's name to its deployer: built-in rows, then the entry points of `vitesse.deployers`."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from vitesse_graph.deployers.base import Deployer
from vitesse_graph.errors import InputError
from vitesse_graph.settings import get_settings

ENTRY_POINT_GROUP = "vitesse.deployers"

_BUILT_IN: dict[str, str] = {
    "process": "vitesse_graph.deployers.process:ProcessDeployer",
    "local": "vitesse_graph.deployers.docker:DockerDeployer",
    "cloud_eks": "vitesse_graph.deployers.kubernetes:KubernetesDeployer",
    "cloud_ecs": "vitesse_graph.deployers.ecs:EcsDeployer",
}
"""Target → `module:class`. A new target is a module and a row."""

_ALIASES: dict[str, str] = {"eks": "cloud_eks", "ecs": "cloud_ecs", "docker": "local"}


_REGISTERED: dict[str, type[Deployer]] = {}
"""What this process added by `DeployerFactory.register`."""


class DeployerFactory:
    """Knows the targets; imports one only when it is asked for."""

    @staticmethod
    def register(target: str, kind: type[Deployer]) -> None:
        """Adds a target to this process; a package registers its own for all by entry point.

        Raises InputError for a name that is built in or taken by another class.
        """
        if target in _BUILT_IN or target in _ALIASES or _REGISTERED.get(target, kind) is not kind:
            raise InputError(f"a deploy target named {target!r} is there already")
        _REGISTERED[target] = kind

    @staticmethod
    def targets() -> list[str]:
        """Names that can be asked for in this installation, built-in ones first."""
        found = [point.name for point in entry_points(group=ENTRY_POINT_GROUP)]
        return list(dict.fromkeys([*_BUILT_IN, *sorted([*found, *_REGISTERED])]))

    @staticmethod
    def ensure_installed(target: str) -> None:
        """Raises InputError for a target that is unknown or whose packages are not installed."""
        _class_of(target)

    @staticmethod
    def create_deployer(target: str, config: Mapping[str, Any] | None = None) -> Deployer:
        """The deployer of a target. `config`: `settings`, `secret_reader`, and what the target takes beside.

        Raises InputError for a target that is unknown or whose packages are not installed.
        """
        made = dict(config or {})
        made.setdefault("settings", get_settings())
        kind = _class_of(target)
        try:
            return kind(**made)
        except TypeError as error:
            raise InputError(
                f"the deploy target {target!r} does not take this configuration: {error}"
            ) from error


def _class_of(target: str) -> type[Deployer]:
    if target in _REGISTERED:
        return _REGISTERED[target]
    for name in dict.fromkeys((target, _ALIASES.get(target, target))):
        where = _BUILT_IN.get(name)
        try:
            if where is not None:
                module, _, attribute = where.partition(":")
                kind = getattr(import_module(module), attribute)
            else:
                points = list(entry_points(group=ENTRY_POINT_GROUP, name=name))
                if not points:
                    continue
                kind = points[0].load()
        except ImportError as error:
            raise InputError(
                f"the deploy target {target!r} needs the package {error.name or 'of its own'}, which is not "
                "installed"
            ) from error
        if not (isinstance(kind, type) and issubclass(kind, Deployer)):
            raise InputError(f"the deploy target {target!r} is registered with something that is no Deployer")
        return kind
    known = ", ".join(DeployerFactory.targets())
    raise InputError(f"the deploy target {target!r} is unknown or not installed; there are: {known}")
