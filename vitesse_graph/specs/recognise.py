"""What a document is: an OpenAPI or Swagger description, or something that only looks like a specification."""

from __future__ import annotations

import re
from typing import Any

from vitesse_graph.errors import SpecError

_HTTP_KEYS = ("paths", "webhooks", "components", "definitions")


def spec_format(tree: Any, name: str) -> str:
    """`openapi-3.0.3`, `swagger-2.0`. Raises SpecError that says what it looks like instead."""
    if isinstance(tree, dict):
        for key in ("openapi", "swagger"):
            version = tree.get(key)
            if isinstance(version, str | float | int) and not isinstance(version, bool):
                return _known_version(key, str(version), tree, name)
        if isinstance(tree.get("paths"), dict) and (
            "info" in tree or "components" in tree or "definitions" in tree
        ):
            # The version line is missing, and the rest leaves no doubt.
            return "swagger-2.0" if "definitions" in tree else "openapi-3.0.0"
    raise SpecError(f"{name} is no OpenAPI or Swagger document: it looks like {looks_like(tree)}")


def _known_version(key: str, version: str, tree: dict[str, Any], name: str) -> str:
    if key == "swagger" and version.startswith("1"):
        raise SpecError(
            f"{name} is a Swagger {version} resource listing, which is not read; convert it to Swagger 2.0 or OpenAPI 3"
        )
    if not any(k in tree for k in _HTTP_KEYS):
        raise SpecError(f"{name} calls itself {key} {version} but has neither paths nor webhooks")
    return f"{key}-{version}"


def looks_like(tree: Any) -> str:
    """A few words for what was found instead of a specification."""
    if tree is None or tree == "" or tree == {} or tree == []:
        return "an empty document"
    if isinstance(tree, list):
        return "a JSON array"
    if isinstance(tree, str):
        return looks_like_text(tree)
    if not isinstance(tree, dict):
        return f"a single {type(tree).__name__}"
    for keys, what in _SHAPES:
        if all(key in tree for key in keys):
            return what
    names = ", ".join(str(key)[:30] for key in list(tree)[:5])
    return f"some other document (its keys: {names})"


_SHAPES: tuple[tuple[tuple[str, ...], str], ...] = (
    (("asyncapi",), "an AsyncAPI document"),
    (("swaggerVersion",), "a Swagger 1.x resource listing"),
    (("arazzo",), "an Arazzo workflow document"),
    (("overlay", "actions"), "an OpenAPI Overlay (pass it as the overlay, beside the specification)"),
    (("openrpc",), "an OpenRPC document"),
    (("smithy",), "a Smithy model"),
    (("linkset",), "an API catalog (RFC 9727)"),
    (("__schema",), "a GraphQL introspection result"),
    (("data",), "a JSON answer of an API (key `data`)"),
    (("info", "item"), "a Postman collection"),
    (("_type", "resources"), "an Insomnia export"),
    (("log", "$schema"), "a log file"),
    (("log",), "a HAR recording"),
    (("kind", "discoveryVersion"), "a Google API discovery document"),
    (("apiVersion", "kind"), "a Kubernetes manifest"),
    (("$schema",), "a JSON Schema"),
    (("types", "title"), "a RAML document"),
    (("error",), "an error answer"),
    (("errors",), "an error answer"),
    (("message",), "an error answer or a message"),
)


def looks_like_text(text: str) -> str:
    """A few words for a text that is neither JSON nor a YAML mapping."""
    head = text.lstrip("\ufeff \t\r\n")[:4000]
    lower = head.lower()
    if not head:
        return "an empty document"
    if lower.startswith(("<!doctype html", "<html")) or "<html" in lower or "<body" in lower:
        login = any(word in lower for word in ("password", "sign in", "log in", "login"))
        return "an HTML page that asks to log in" if login else "an HTML page"
    if head.startswith("<"):
        if "wsdl" in lower or "definitions" in lower:
            return "a WSDL document (SOAP)"
        return "an XML document"
    if re.search(
        r"^\s*(type|schema|input|interface|enum|union|scalar|directive|extend)\b[^:\n]*\{", head, re.MULTILINE
    ):
        return "a GraphQL schema"
    if lower.startswith("#%raml"):
        return "a RAML document"
    if re.search(r"^syntax\s*=\s*[\"']proto", head, re.MULTILINE):
        return "a protocol buffers file"
    if re.search(r"^FORMAT:\s*1A", head, re.MULTILINE):
        return "an API Blueprint"
    return "plain text"


def is_spec(tree: Any) -> bool:
    """Whether `spec_format` would find a readable version."""
    try:
        spec_format(tree, "")
    except SpecError:
        return False
    return True
