"""The operations of a document, found but not yet understood; and where their schemas lie.

Swagger 2 and OpenAPI 3 differ in where a body and a response keep their schema; from here on
nobody asks which it was.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from vitesse_graph.specs.findings import Findings, escape
from vitesse_graph.specs.flatten import Flattener
from vitesse_graph.specs.resolve import Resolver

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace", "query")
_SUCCESS: tuple[str | int, ...] = (
    "200", 200, "201", 201, "202", 202, "203", 203, "206", 206, "207", 207, "2XX", "2xx",
)  # fmt: skip
"""Statuses of success, the likeliest first; YAML may have read them as numbers."""
_FORM = "application/x-www-form-urlencoded"


@dataclass(slots=True)
class RawOperation:
    """One operation as the vendor wrote it, its path item beside it."""

    method: str
    path: str
    operation: dict[str, Any]
    item: dict[str, Any]

    @property
    def key(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def pointer(self) -> str:
        return f"/paths/{escape(self.path)}/{self.method.lower()}"


@dataclass(slots=True)
class Body:
    """One way to send or receive a body. `schema` is a raw node."""

    content_type: str
    schema: Any
    media: dict[str, Any] = field(default_factory=dict)


class Reader:
    """Reads operations out of one document, whichever version it is written in."""

    def __init__(self, resolver: Resolver, *, is_swagger: bool) -> None:
        self.resolver = resolver
        self.flattener = Flattener(resolver)
        self.is_swagger = is_swagger
        self._parameters: dict[int, list[dict[str, Any]]] = {}
        self._forms: dict[int, list[Body]] = {}

    def operations(self) -> tuple[list[RawOperation], list[str]]:
        """All operations in the order of the document, and the names of those that could not be read."""
        found: list[RawOperation] = []
        unreadable: list[str] = []
        findings = self.resolver.findings
        paths = self.resolver.deref(self.resolver.root.get("paths"))
        if paths is not None and type(paths) is not dict:
            findings.add(
                "odd_paths", f"`paths` is a {type(paths).__name__}; no operation could be read", "/paths"
            )
            return [], ["paths"]
        paths = paths or {}
        for path, node in paths.items():
            if type(path) is not str or path.startswith("x-"):
                continue
            if not path.startswith(("/", "http:", "https:")):
                findings.add(
                    "odd_path",
                    f"{path} does not begin with a slash; read as /{path}",
                    f"/paths/{escape(path)}",
                )
                if f"/{path}" in paths:
                    continue
                path = f"/{path}"
            item = self._path_item(path, node, unreadable, findings)
            if item is not None:
                self._take(path, item, found, unreadable, findings)
        return found, unreadable

    def _path_item(
        self, path: str, node: Any, unreadable: list[str], findings: Findings
    ) -> dict[str, Any] | None:
        item = self.resolver.deref(node)
        if type(item) is not dict or (not item and node):
            unreadable.append(path)
            findings.add(
                "unreadable_path", f"the operations of {path} could not be read", f"/paths/{escape(path)}"
            )
            return None
        if item is not node and type(node) is dict and len(node) > 1:
            item = {**item, **{k: v for k, v in node.items() if k != "$ref"}}
        return item

    def _take(
        self,
        path: str,
        item: dict[str, Any],
        found: list[RawOperation],
        unreadable: list[str],
        findings: Findings,
    ) -> None:
        for key, value in item.items():
            method = key.lower() if type(key) is str else ""
            if method == "additionaloperations" and type(value) is dict:
                self._take(path, value, found, unreadable, findings)
                continue
            if method not in METHODS:
                continue
            operation = self.resolver.deref(value)
            if type(operation) is dict and (operation or not value):
                found.append(RawOperation(method.upper(), path, operation, item))
            else:
                unreadable.append(f"{method.upper()} {path}")
                findings.add(
                    "unreadable_operation",
                    f"{method.upper()} {path} is no object; passed over",
                    f"/paths/{escape(path)}/{method}",
                )

    def parameters(self, raw: RawOperation) -> list[dict[str, Any]]:
        """Parameters of the operation and its path, resolved; the operation's own win."""
        known = self._parameters.get(id(raw.operation))
        if known is None:
            merged: dict[tuple[Any, Any], dict[str, Any]] = {}
            for holder in (raw.item, raw.operation):
                if "parameters" not in holder:
                    continue
                for node in self._nodes(holder["parameters"]):
                    parameter = self.resolver.deref(node) if type(node) is dict and "$ref" in node else node
                    if type(parameter) is dict and type(parameter.get("name")) is str:
                        merged[(parameter["name"], parameter.get("in"))] = parameter
            known = self._parameters[id(raw.operation)] = list(merged.values())
        return known

    def _nodes(self, given: Any) -> list[Any]:
        if type(given) is dict:
            given = self.resolver.deref(given)
            if type(given) is dict:  # a map of parameters instead of a list
                given = list(given.values())
        return given if type(given) is list else []

    def parameter_schema(self, parameter: dict[str, Any]) -> Any:
        """The raw schema node of a parameter: its `schema`, its media type's, or (Swagger 2) itself."""
        if "schema" in parameter:
            return parameter["schema"]
        content = parameter.get("content")
        if type(content) is dict and content:
            return self.resolver.mapping(next(iter(content.values()))).get("schema", {})
        return parameter if self.is_swagger or "type" in parameter else {}

    def request_bodies(self, raw: RawOperation) -> list[Body]:
        """What may be sent, in the order of the document; [] where the operation takes no body."""
        if self.is_swagger:
            return self._swagger_bodies(raw)
        body = self.resolver.mapping(raw.operation.get("requestBody"))
        return self._contents(body.get("content"))

    def is_body_required(self, raw: RawOperation) -> bool:
        if self.is_swagger:
            return any(
                p.get("required") is True for p in self.parameters(raw) if p.get("in") in ("body", "formData")
            )
        return self.resolver.mapping(raw.operation.get("requestBody")).get("required") is True

    def _contents(self, content: Any) -> list[Body]:
        bodies: list[Body] = []
        for name, node in self.resolver.mapping(content).items():
            media = self.resolver.mapping(node)
            if type(name) is str:
                bodies.append(Body(name, media.get("schema", media.get("itemSchema", {})), media))
        return bodies

    def _swagger_bodies(self, raw: RawOperation) -> list[Body]:
        known = self._forms.get(id(raw.operation))
        if known is not None:
            return known
        consumes = raw.operation.get("consumes", self.resolver.root.get("consumes"))
        types = [t for t in consumes if type(t) is str] if type(consumes) is list else []
        bodies: list[Body] = []
        parameters = self.parameters(raw)
        form = [p for p in parameters if p.get("in") == "formData"]
        body = next((p for p in parameters if p.get("in") == "body"), None)
        if body is not None:
            schema = body.get("schema", {})
            bodies = [Body(t, schema) for t in types if "form" not in t] or [Body("application/json", schema)]
        elif form:
            schema = {
                "type": "object",
                "properties": {p["name"]: {k: v for k, v in p.items() if k != "required"} for p in form},
                "required": [p["name"] for p in form if p.get("required") is True],
            }
            bodies = [Body(t, schema) for t in types if "form" in t] or [Body(_FORM, schema)]
        self._forms[id(raw.operation)] = bodies
        return bodies

    def responses(self, raw: RawOperation) -> list[tuple[str, dict[str, Any]]]:
        """(status, response object) of all responses, statuses normalised: `200`, `4XX`, `default`."""
        found: list[tuple[str, dict[str, Any]]] = []
        for status, node in self.resolver.mapping(raw.operation.get("responses")).items():
            name = str(status)
            if name.startswith("x-"):
                continue
            found.append((name if name == "default" else name.upper(), self.resolver.mapping(node)))
        return found

    def response_bodies(self, response: dict[str, Any], raw: RawOperation) -> list[Body]:
        if not self.is_swagger:
            return self._contents(response.get("content"))
        if "schema" not in response:
            return []
        produces = raw.operation.get("produces", self.resolver.root.get("produces"))
        types = [t for t in produces if type(t) is str] if type(produces) is list else []
        return [Body(t, response["schema"]) for t in types or ["application/json"]]

    def success(self, raw: RawOperation) -> tuple[dict[str, Any], Any]:
        """(response object, raw schema node) of what a successful call returns; ({}, None) if unsaid."""
        responses = self.resolver.mapping(raw.operation.get("responses"))
        response: dict[str, Any] | None = None
        statuses = [status for status in _SUCCESS if status in responses]
        if not statuses:
            statuses = [status for status in responses if str(status).startswith("2")] or ["default"]
            # Where a success is described, `default` is what errors look like.
        for status in statuses:
            if status not in responses:
                continue
            node = responses[status]
            found = self.resolver.mapping(node)
            body = json_body(self.response_bodies(found, raw))
            if body is not None:
                return found, body.schema
            response = response if response is not None else found
        return response or {}, None


def json_body(bodies: list[Body]) -> Body | None:
    """The JSON one of several bodies, else the first that has a schema."""
    if len(bodies) == 1:
        return bodies[0]
    for body in bodies:
        if is_json(body.content_type):
            return body
    return next((body for body in bodies if body.schema), bodies[0] if bodies else None)


def is_json(content_type: str) -> bool:
    """`application/json`, `application/vnd.api+json`, `*/*`; not JSON lines and the like."""
    base = content_type.split(";", 1)[0].strip().lower()
    return base in ("application/json", "text/json", "*/*", "application/*") or base.endswith("+json")
