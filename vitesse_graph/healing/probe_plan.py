"""Which live questions are worth asking: both sides as they are called, and where they may have moved to. Pure.

A credential goes only to the origin that it was given for: another address is asked without one.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import urlsplit

from vitesse_graph.healing.impact import Side
from vitesse_graph.healing.probes import Credential, Target
from vitesse_graph.healing.profiles import RecordProfile
from vitesse_graph.state.definition import Call, IntegrationDefinition
from vitesse_graph.state.health import DriftItem
from vitesse_graph.state.jsontypes import JsonSchema

_NEXT_VERSION = re.compile(r"/v(\d+)(?=/|$)")
PAGE_SIZE = 25


def plan_probes(
    definition: IntegrationDefinition,
    *,
    credentials: Mapping[Side, Credential] | None = None,
    source_schema: JsonSchema | None = None,
    profile: RecordProfile | None = None,
    drift: Collection[DriftItem] = (),
) -> list[Target]:
    """The questions worth asking about this integration: both sides, and where `drift` says they moved.

    `source_schema` is ONE source record's, as it was when the mapping was made; `profile` that of
    records of a good day.
    """
    given = credentials or {}
    source, dest = definition.source, definition.dest
    own_source, own_dest = given.get("source", Credential()), given.get("dest", Credential())
    size = {source.pagination.page_size_param: str(_page_size(source.pagination.max_page_size))}
    query = {**source.read.query, **{name: value for name, value in size.items() if name}}
    is_body = source.read.method.upper() not in ("GET", "HEAD")
    targets = [
        Target(
            side="source",
            kind="read",
            method=source.read.method.upper(),
            url=_url(source.base_url, source.read),
            headers={**source.read.headers, **own_source.headers},
            query={**({} if is_body else query), **own_source.query},
            body={name: _as_json(value) for name, value in query.items()} if is_body else None,
            base_url=source.base_url,
            path=_filled(source.read),
            key=f"{source.read.method.upper()} {source.read.path}",
            items_at=source.pagination.items_at or "",
            record_schema=source_schema,
            mapping=definition.mapping,
            profile=profile,
        )
    ]
    reach = dest.lookup.call if dest.lookup is not None else dest.create
    targets.append(
        Target(
            side="dest",
            kind="reach",
            method="GET",
            url=_url(dest.base_url, reach),
            headers={**reach.headers, **own_dest.headers},
            query={**reach.query, **own_dest.query},
            base_url=dest.base_url,
            path=_filled(reach),
            key=f"{dest.create.method.upper()} {reach.path}",
        )
    )
    for item in drift:
        targets += _alternative(definition, item, given)
    for target in targets[:2]:
        targets += _next_version(target)
    return list({(target.side, target.name): target for target in targets}.values())


def _page_size(maximum: int | None) -> int:
    return min(PAGE_SIZE, maximum) if maximum else PAGE_SIZE


def _as_json(text: str) -> Any:
    return int(text) if text.isdigit() else text


def _url(base_url: str, call: Call) -> str:
    return base_url.rstrip("/") + "/" + _filled(call).lstrip("/")


def _filled(call: Call) -> str:
    path = call.path
    for name, value in call.path_params.items():
        path = path.replace(f"{{{name}}}", value)
    return path


def _alternative(
    definition: IntegrationDefinition, item: DriftItem, given: Mapping[Side, Credential]
) -> list[Target]:
    """The new place that a specification names for an endpoint or for the whole API."""
    side = definition.source if item.side == "source" else definition.dest
    if not item.new_path or item.kind not in ("endpoint_moved", "base_url_changed"):
        return []
    own = definition.source.read if item.side == "source" else definition.dest.create
    if item.kind == "endpoint_moved":
        path = item.new_path.partition(" ")[2]
        url, switch_to = _url(side.base_url, own.evolve(path=path)), {"endpoint": item.new_path}
    else:
        url, switch_to = _url(item.new_path, own), {"base_url": item.new_path}
    if not url.startswith(("http://", "https://")):
        return []
    credential = given.get(item.side, Credential())
    is_home = _origin(url) == _origin(side.base_url)
    return [
        Target(
            side=item.side,
            kind="alternative",
            method="GET",
            url=url,
            headers=credential.headers if is_home else {},
            query=credential.query if is_home else {},
            switch_to=switch_to,
        )
    ]


def _next_version(target: Target) -> list[Target]:
    """`/v1/` may have become `/v2/`: the next two are asked, at the same origin."""
    found = _NEXT_VERSION.search(target.url)
    if found is None:
        return []
    alternatives = []
    for step in (1, 2):
        version = f"/v{int(found[1]) + step}"
        url = target.url[: found.start()] + version + target.url[found.end() :]
        alternatives.append(
            Target(
                side=target.side,
                kind="alternative",
                method="GET",
                url=url,
                headers=target.headers,
                query=target.query,
                switch_to=_switched(target, found, version),
            )
        )
    return alternatives


def _switched(target: Target, found: re.Match[str], version: str) -> dict[str, str]:
    """The version stands in the base URL or in the path: that part is what has to be changed."""
    base = target.base_url.rstrip("/")
    if found.start() < len(base):
        return {"base_url": base[: found.start()] + version + base[found.end() :]}
    return {"endpoint": target.key.replace(found[0], version, 1)}


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme.lower(), parts.netloc.lower()
