"""What is worth remembering of one specification: the API as a whole, and each of its resources."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime

from vitesse_graph.errors import VitesseError
from vitesse_graph.knowledge.documents import Document
from vitesse_graph.state.api_spec import Endpoint
from vitesse_graph.state.jsontypes import JsonSchema
from vitesse_graph.state.ports import SpecReader

MAX_RESOURCES = 60
MAX_FIELDS = 40


def _field_names(schema: JsonSchema, prefix: str = "", depth: int = 0) -> list[str]:
    """Property paths of a record, to two levels, in the schema's order."""
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return []
    names: list[str] = []
    for name, value in properties.items():
        path = f"{prefix}{name}"
        names.append(path)
        if depth < 1 and isinstance(value, dict):
            names += _field_names(value, f"{path}.", depth + 1)
    return names[:MAX_FIELDS]


def _resources(endpoints: list[Endpoint]) -> dict[str, list[Endpoint]]:
    """Endpoints by their noun, the nouns with most operations first."""
    found: dict[str, list[Endpoint]] = defaultdict(list)
    for endpoint in endpoints:
        if endpoint.resource:
            found[endpoint.resource].append(endpoint)
    return dict(sorted(found.items(), key=lambda item: (-len(item[1]), item[0])))


def _record_fields(reader: SpecReader, endpoints: list[Endpoint]) -> list[str]:
    """Field names of the resource's record, from its list, or from what a create takes."""
    for role in ("list", "create"):
        for endpoint in endpoints:
            if endpoint.role != role:
                continue
            try:
                if role == "list":
                    schema = reader.source_shape(endpoint.key).record_schema
                else:
                    schema = reader.dest_shape(endpoint.key).request_schema
            except VitesseError:
                continue
            names = _field_names(schema)
            if names:
                return names
    return []


def spec_document(reader: SpecReader, location: str, *, name: str = "") -> Document:
    """The API as a whole. `name` is what it is known by where its own title is another (`The Plaid API`)."""
    spec = reader.spec
    resources = _resources(spec.endpoints)
    styles = sorted({e.pagination.style for e in spec.endpoints if e.pagination} - {"none"})
    api = name or spec.api_name
    return Document(
        key=f"spec:{_key_of(api, location)}",
        kind="spec",
        title=api,
        text=f"{spec.description[:600]} Records: {', '.join(list(resources)[:25])}.".strip(),
        source=location,
        as_of=_today(),
        meta={
            "api": api,
            "version": spec.version,
            "base_url": spec.base_url,
            "spec": location,
            "auth": spec.auth.type,
            "pagination": styles,
            "operations": spec.operation_count,
            "digest": spec.digest,
        },
    )


def _key_of(api: str, location: str) -> str:
    return f"{api.casefold()}@{location}"


def _today() -> str:
    return datetime.now(UTC).date().isoformat()


def documents_of(reader: SpecReader, location: str, *, name: str = "") -> list[Document]:
    """One document for the API, one for each of its main resources; the API's comes first.

    Raises SpecError (from the reader) where the document holds nothing usable.
    """
    spec = reader.spec
    api = name or spec.api_name
    key, today = _key_of(api, location), _today()
    documents = [spec_document(reader, location, name=name)]
    resources = _resources(spec.endpoints)
    for noun, endpoints in list(resources.items())[:MAX_RESOURCES]:
        fields = _record_fields(reader, endpoints)
        documents.append(
            Document(
                key=f"resource:{key}#{noun}",
                kind="resource",
                title=f"{api} {noun}",
                text=f"{noun}: {'; '.join(e.summary for e in endpoints[:4] if e.summary)}. Fields: {', '.join(fields)}.",
                source=location,
                as_of=today,
                meta={
                    "api": api,
                    "resource": noun,
                    "spec": location,
                    "endpoints": [e.key for e in endpoints[:20]],
                    "fields": fields,
                },
            )
        )
    return documents
