"""The closed list of named transforms that `custom` rows may use.

A transform is registered by a *builder*: called once with the row's `params` when a mapping is
compiled, it returns the function that runs for each value. Wrong params therefore fail at compile
time. Third parties add theirs under the entry-point group `vitesse.transforms`: the entry point
is a module (registering when imported) or a function decorated with `@transform`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from vitesse_graph.errors import MappingError

Apply = Callable[[Any], Any]
Inverse = Callable[[dict[str, Any]], tuple[str, dict[str, Any]] | None]
GROUP = "vitesse.transforms"


@dataclass(frozen=True, slots=True)
class NamedTransform:
    """One entry of the registry. `accepts` and `returns` are JSON types; `any` stands for all."""

    name: str
    build: Callable[..., Apply]
    accepts: tuple[str, ...]
    returns: str
    summary: str
    many: bool = False
    """Takes the list of the values of several source fields (None where one is missing)."""
    whole: bool = False
    """Takes an array as one value, instead of one of its elements."""
    inverse: Inverse | None = None


_REGISTRY: dict[str, NamedTransform] = {}
_entry_points_loaded = False


def transform(
    name: str,
    *,
    accepts: tuple[str, ...] = ("any",),
    returns: str = "any",
    summary: str = "",
    many: bool = False,
    whole: bool = False,
    builder: bool = False,
    inverse: Inverse | None = None,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Registers a function under `name`.

    The plain form is `f(value, **params)`; with `builder=True` it is `f(**params)`, returning the
    function of one value. It raises `TransformProblem` for a value that it cannot take, with a
    message that does not hold the value. A name can be registered once.
    """

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        known = _REGISTRY.get(name)
        if known is not None:
            raise MappingError(f"a transform named '{name}' is registered already")
        build = function if builder else _plain_builder(function)
        text = summary or (inspect.getdoc(function) or "").split("\n")[0]
        _REGISTRY[name] = NamedTransform(name, build, accepts, returns, text, many, whole, inverse)
        return function

    return register


def _plain_builder(function: Callable[..., Any]) -> Callable[..., Apply]:
    signature = inspect.signature(function)

    def build(**params: Any) -> Apply:
        signature.bind(None, **params)
        if not params:
            return function
        return lambda value: function(value, **params)

    return build


def transform_names() -> list[str]:
    """Every registered name, sorted."""
    _load_entry_points()
    return sorted(_REGISTRY)


def named(name: str) -> NamedTransform:
    """The registered transform. Raises MappingError for a name that nobody registered."""
    found = _REGISTRY.get(name)
    if found is None:
        _load_entry_points()
        found = _REGISTRY.get(name)
    if found is None:
        raise MappingError(f"no transform is named '{name}' (see transform_names())")
    return found


def build(name: str, params: dict[str, Any]) -> Apply:
    """The function of one value. Raises MappingError where the params do not fit."""
    entry = named(name)
    try:
        return entry.build(**params)
    except (TypeError, ValueError, KeyError, AttributeError, ArithmeticError) as error:
        raise MappingError(f"transform '{name}' refuses its params: {error}") from error


def _load_entry_points() -> None:
    """Loads third-party transforms once; one that fails is left out and named when it is asked for."""
    global _entry_points_loaded
    if _entry_points_loaded:
        return
    _entry_points_loaded = True
    for point in metadata.entry_points(group=GROUP):
        loaded = point.load()
        if callable(loaded) and point.name not in _REGISTRY:
            transform(point.name)(loaded)
