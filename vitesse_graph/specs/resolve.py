"""References inside one bundled document: followed one at a time, when somebody asks.

Nothing is inlined. A reference that dangles or only leads back to itself costs what points to it:
it resolves to an empty object and one warning is kept. `$ref` is followed only where a reference
object may stand: callers pass nodes of such places, so a property *named* `$ref`, or a `$ref` in an
example, is never taken for one.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any
from urllib.parse import unquote

from vitesse_graph.specs.findings import Findings, unescape

MAX_CHAIN = 100
"""A reference to a reference to a reference …: how many are followed unless a setting says otherwise."""


_HOMES = ("#/definitions/", "#/components/schemas/")


def _fail(ref: str) -> Any:
    raise LookupError(ref)


class Resolver:
    """Looks up JSON pointers in `root`; answers are remembered by reference string."""

    def __init__(
        self, root: dict[str, Any], findings: Findings | None = None, max_chain: int = MAX_CHAIN
    ) -> None:
        self.root = root
        self._max_chain = max_chain
        self.findings = findings if findings is not None else Findings()
        self._known: dict[str, Any] = {}

    def target(self, ref: str) -> Any:
        """What `#/a/b` points to, whatever it is. Raises LookupError where it points to nothing."""
        try:
            return self._known[ref]
        except KeyError:
            found = self._known[ref] = self._walk(ref, 0)
            return found

    def deref(self, node: Any) -> Any:
        """`node`, or what it refers to in the end. {} where a reference leads nowhere."""
        hops = 0
        while type(node) is dict and "$ref" in node:
            ref = node["$ref"]
            if type(ref) is not str:
                return node
            hops += 1
            if hops > self._max_chain:
                self._give_up(ref)
                return {}
            try:
                node = self.target(ref)
            except LookupError:
                self.findings.add("dangling_ref", f"{ref} points to nothing", ref.removeprefix("#"))
                return {}
        return node

    def _give_up(self, ref: str) -> None:
        """Says why a chain of references was left: a loop, or the limit."""
        seen: set[str] = set()
        here: Any = ref
        while type(here) is str and here not in seen:
            seen.add(here)
            try:
                node = self.target(here)
            except LookupError:
                break
            here = node.get("$ref") if type(node) is dict else None
        if type(here) is str and here in seen:
            self.findings.add("circular_ref", f"{ref} only leads back to itself", ref.removeprefix("#"))
        else:
            self.findings.add(
                "deep_ref",
                f"{ref} lies behind more than {self._max_chain} references; VITESSE_MAX_REF_DEPTH raises the limit",
                ref.removeprefix("#"),
            )

    def mapping(self, node: Any) -> dict[Any, Any]:
        """`deref`, and {} for what is no object."""
        found = self.deref(node)
        return found if type(found) is dict else {}

    def text(self, node: Any) -> str:
        """A text, also where a reference stands in its place; "" for anything else."""
        if type(node) is str:
            return node
        found = self.deref(node) if type(node) is dict else node
        return found if type(found) is str else ""

    def _walk(self, ref: str, depth: int) -> Any:
        if ref == "#" or ref == "":
            return self.root
        if depth > self._max_chain:
            raise LookupError(ref)
        if not ref.startswith("#/"):
            return self._named(ref)
        try:
            return self._steps(ref, depth)
        except LookupError:
            # `#/definitions/X` in a document that has been converted to `components`, and back
            return self._schema_called(ref.rsplit("/", 1)[-1]) if ref.startswith(_HOMES) else _fail(ref)

    def _steps(self, ref: str, depth: int) -> Any:
        node: Any = self.root
        for raw in ref[2:].split("/"):
            token = unescape(unquote(raw)) if "%" in raw else unescape(raw) if "~" in raw else raw
            if type(node) is dict and token not in node and type(node.get("$ref")) is str:
                node = self._walk_on(node, depth)
            node = self._step(node, token, raw)
        return node

    def _named(self, ref: str) -> Any:
        """`#anchor`, the `$id` of a schema in here, or a schema's bare name (`Pet`), as the first Swaggers had it."""
        if ref in self._anchors:
            return self._anchors[ref]
        return self._schema_called(ref)

    def _schema_called(self, name: str) -> Any:
        components = self.root.get("components")
        for home in (
            self.root.get("definitions"),
            components.get("schemas") if type(components) is dict else None,
        ):
            if type(home) is dict and name in home:
                return home[name]
        raise LookupError(name)

    @cached_property
    def _anchors(self) -> dict[str, Any]:
        """What `#anchor` and `$id` name. Looked for only when such a reference is met."""
        found: dict[str, Any] = {}
        waiting: list[Any] = [self.root]
        while waiting:
            node = waiting.pop()
            if type(node) is dict:
                for key in ("$anchor", "$dynamicAnchor"):
                    if type(node.get(key)) is str:
                        found.setdefault(f"#{node[key]}", node)
                if type(node.get("$id")) is str:
                    found.setdefault(node["$id"].removesuffix("#"), node)
            waiting.extend(
                c for c in (node.values() if type(node) is dict else node) if type(c) in (dict, list)
            )
        return found

    def _walk_on(self, node: Any, depth: int) -> Any:
        """A pointer that passes through another reference."""
        for _ in range(self._max_chain):
            if not (type(node) is dict and type(node.get("$ref")) is str):
                return node
            node = self._walk(node["$ref"], depth + 1)
        raise LookupError("loop")

    def _step(self, node: Any, token: str, raw: str) -> Any:
        if type(node) is dict:
            if token in node:
                return node[token]
            if unescape(raw) in node:  # a key that really holds a percent sign
                return node[unescape(raw)]
            if token.isdigit() and int(token) in node:  # YAML response codes
                return node[int(token)]
            for key in node:  # a key that holds percent signs itself, encoded once more or once less
                if type(key) is str and "%" in key and unquote(key) == token:
                    return node[key]
            raise LookupError(token)
        if type(node) is list and token.isdigit() and int(token) < len(node):
            return node[int(token)]
        raise LookupError(token)
